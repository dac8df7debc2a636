/*
 * policyload - asks a policy server what Postfix would ask it, as fast as it answers.
 *
 *     policyload [OPTIONS] PORT | /PATH/OF/SOCKET
 *
 * Each connection has one request out and sends the next when the answer has come, as an smtpd process does.
 * The requests are those of Postfix 3.7.11, as recorded from it: the same 29 attributes in the same order. A
 * message is one RCPT request for each recipient with one instance and, if asked for, END-OF-MESSAGE; the queue
 * id is there from the second recipient on.
 *
 * Accounts are drawn by a zipf law from a fixed seed, so that every server gets the same stream. Whom an account
 * writes to and from which address it connects follows from its number: greylists can know their triplets. Half
 * of the accounts (--external) connect from 198.18.0.0/15, the others from 10.0.0.0/8.
 *
 * What was measured is printed as one JSON object. Latency is from before the send to after the receive. CPU time
 * and memory of the server are those of /proc, the sum over all --pid.
 *
 * Known limits: connects in a blocking way, so that a full backlog stops all connections; loopback only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST_BYTES = 2048,
    REPLY_BYTES = 65536,   /* rspamd explains itself at length */
    DRAWS = 1 << 20,       /* the stream of accounts repeats after so many messages */
    WORDS = 16,            /* different answers that are counted apart */
    WORD_BYTES = 24,
    PIDS = 64,
    PATIENCE_MS = 10000,   /* a server that says nothing for so long has stopped */
    TRIES = 2000,          /* to connect, a millisecond apart */
};

static struct {
    int connections, recipients, correspondents, external_percent, pids[PIDS], pid_count;
    uint32_t accounts, flood;
    double zipf, seconds, warm_up_s;
    uint64_t seed;
    bool end_of_message, each_once, http, show;
    const char *place;
} set = {
    .connections = 10, .recipients = 1, .correspondents = 2, .external_percent = 50, .accounts = 1000,
    .zipf = 1.0, .seconds = 3, .warm_up_s = 0.3, .seed = 20261124,
};

typedef struct {
    int fd;
    int recipients_left; /* of the message that is under way; 0: only END-OF-MESSAGE is left, -1: nothing */
    uint32_t account;
    uint32_t message;
    uint64_t asked_ns;
    size_t request_size, reply_size;
    char request[REQUEST_BYTES], reply[REPLY_BYTES];
} Connection;

typedef struct {
    double cpu_s;
    long rss_kib;
} Usage;

static struct {
    uint32_t *ns; /* latencies; the largest that fits is 4.29 s */
    size_t count, room;
    uint64_t reconnects;
    struct { char word[WORD_BYTES]; uint64_t count; } replies[WORDS];
} seen;

static uint32_t *draws, messages;
static int watch;

/* ------------------------------------------------------------------ chance, clock, /proc */

static uint64_t random_state;

static uint32_t chance(void) /* xorshift64*, Vigna 2016 */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545F4914F6CDD1DULL) >> 32);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The accounts of all messages beforehand, so that drawing costs nothing while the clock runs. */
static void draw_accounts(void)
{
    double *up_to = malloc(set.accounts * sizeof *up_to), sum = 0;

    draws = malloc(DRAWS * sizeof *draws);
    if (!up_to || !draws)
        err(2, "memory");
    for (uint32_t i = 0; i < set.accounts; i++)
        up_to[i] = sum += pow(i + 1.0, -set.zipf);
    for (uint32_t i = 0; i < DRAWS; i++) {
        double at = chance() / 4294967296.0 * sum;
        uint32_t low = 0, high = set.accounts - 1;

        while (low < high) {
            uint32_t middle = low + (high - low) / 2;

            if (up_to[middle] > at)
                high = middle;
            else
                low = middle + 1;
        }
        draws[i] = low;
    }
    free(up_to);
}

static Usage usage_of_server(void)
{
    Usage all = {0};

    for (int i = 0; i < set.pid_count; i++) {
        char path[48], text[1024] = "";
        unsigned long user = 0, kernel = 0;
        long pages = 0;

        snprintf(path, sizeof path, "/proc/%d/stat", set.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file)
            continue; /* a worker that has ended */
        size_t size = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[size] = 0;
        char *after_name = strrchr(text, ')');
        if (after_name) /* fields 14, 15 and 24 of proc(5) */
            sscanf(after_name + 1,
                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
                   &user, &kernel, &pages);
        all.cpu_s += (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
        all.rss_kib += pages * (sysconf(_SC_PAGESIZE) / 1024);
    }
    return all;
}

/* ------------------------------------------------------------------ requests */

static char *put(char *at, const char *text)
{
    return stpcpy(at, text);
}

static char *put_number(char *at, uint32_t number, uint32_t base, int width)
{
    char digits[32];
    int count = 0;

    do
        digits[count++] = "0123456789abcdef"[number % base];
    while (number /= base);
    while (count < width)
        digits[count++] = '0';
    while (count)
        *at++ = digits[--count];
    return at;
}

/* A number that looks like no other's and comes but once: an odd factor turns 2^32 numbers about. */
static uint32_t scattered(uint32_t number)
{
    return number * 2654435761u;
}

static char *put_login(char *at, uint32_t account)
{
    if (set.flood) {
        at = put_number(put(at, "x"), scattered(account), 16, 8);
        return put(at, "@students.example.org");
    }
    at = put_number(put(at, "user"), account, 10, 7);
    return put(at, "@students.example.org");
}

static char *put_client(char *at, uint32_t account)
{
    uint32_t host = scattered(account);
    bool external = (int)(host >> 16) % 100 < set.external_percent;

    at = put(at, external ? "198." : "10.");
    at = put_number(at, external ? 18 + (host & 1) : 20, 10, 1);
    at = put_number(put(at, "."), (host >> 8) & 15, 10, 1);
    return put_number(put(at, "."), 1 + (host >> 24) % 250, 10, 1);
}

static char *put_client_name(char *at, uint32_t account)
{
    at = put_number(put(at, "dyn-"), account, 10, 7);
    return put(at, ".pool.provider.example.net");
}

static char *put_recipient(char *at, const Connection *one)
{
    uint32_t left = one->recipients_left ? (uint32_t)one->recipients_left : 1; /* at the end, the last one */
    uint32_t which = (left + one->message) % (uint32_t)set.correspondents;

    at = put_number(put(at, "friend"), which, 10, 4);
    return put(put_number(put(at, "."), one->account, 10, 7), "@elsewhere.example.com");
}

static char *put_queue_id(char *at, const Connection *one)
{
    char *from = at;

    at = put_number(put(at, "4d7"), scattered(one->message), 16, 8);
    for (; from < at; from++) /* Postfix writes these with capitals */
        if (*from >= 'a')
            *from = (char)(*from - 'a' + 'A');
    return at;
}

static char *put_policy_request(char *at, const Connection *one)
{
    bool at_end = one->recipients_left == 0, first = one->recipients_left == set.recipients;

    at = put(at, "request=smtpd_access_policy\nprotocol_state=");
    at = put(at, at_end ? "END-OF-MESSAGE" : "RCPT");
    at = put_client(put(at, "\nprotocol_name=ESMTP\nclient_address="), one->account);
    at = put_client_name(put(at, "\nclient_name="), one->account);
    at = put_number(put(at, "\nclient_port="), 20000 + scattered(one->message) % 40000, 10, 1);
    at = put_client_name(put(at, "\nreverse_client_name="), one->account);
    at = put(at, "\nserver_address=192.0.2.25\nserver_port=587\nhelo_name=[192.168.1.20]\nsender=");
    at = put(put_login(at, one->account), "\nrecipient=");
    if (!at_end || set.recipients == 1)
        at = put_recipient(at, one);
    at = put_number(put(at, "\nrecipient_count="), at_end ? (uint32_t)set.recipients : 0, 10, 1);
    at = put(at, "\nqueue_id=");
    if (!first)
        at = put_queue_id(at, one);
    at = put_number(put(at, "\ninstance="), 4096 + (uint32_t)one->fd, 16, 1); /* of one smtpd process */
    at = put_number(put(at, ".6b059abc."), one->message, 16, 1);
    at = put_number(put(at, ".0\nsize="), at_end ? 2000 + scattered(one->message) % 60000 : 0, 10, 1);
    at = put_login(put(at, "\netrn_domain=\nstress=\nsasl_method=PLAIN\nsasl_username="), one->account);
    at = put(at, "\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=");
    at = put(at, "\nencryption_protocol=TLSv1.3\nencryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256");
    return put(at, "\npolicy_context=\n\n");
}

/* The same message as rspamd is asked about it. */
static char *put_http_request(char *at, const Connection *one)
{
    char body[512], *end = body;

    end = put_login(put(end, "Date: Tue, 24 Nov 2026 10:00:00 +0100\r\nFrom: "), one->account);
    end = put_recipient(put(end, "\r\nTo: "), one);
    end = put_number(put(end, "\r\nMessage-ID: <"), one->message, 16, 1);
    end = put(end, "@example.org>\r\nSubject: Hello\r\n\r\nA short text.\r\n");
    at = put(at, "POST /checkv2 HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\nIP: ");
    at = put_client(at, one->account);
    at = put_login(put(at, "\r\nUser: "), one->account);
    at = put_login(put(at, "\r\nFrom: "), one->account);
    at = put_recipient(put(at, "\r\nRcpt: "), one);
    at = put_number(put(at, "\r\nContent-Length: "), (uint32_t)(end - body), 10, 1);
    return put(put(at, "\r\n\r\n"), body);
}

/* Are there messages left? Without an end there always are. */
static bool begin_message(Connection *one)
{
    uint32_t last = set.flood ? set.flood : set.each_once ? set.accounts : UINT32_MAX;

    if (messages == last)
        return false;
    one->message = messages++;
    one->account = set.flood || set.each_once ? one->message : draws[one->message % DRAWS];
    one->recipients_left = set.recipients;
    return true;
}

static bool next_request(Connection *one)
{
    if (one->recipients_left < (set.end_of_message ? 0 : 1) && !begin_message(one))
        return false;
    char *end = set.http ? put_http_request(one->request, one) : put_policy_request(one->request, one);
    one->request_size = (size_t)(end - one->request);
    one->recipients_left--;
    return true;
}

/* ------------------------------------------------------------------ connections */

static void connect_to_server(Connection *one)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    bool is_path = set.place[0] == '/';
    struct sockaddr *address = is_path ? (struct sockaddr *)&local : (struct sockaddr *)&inet;
    socklen_t size = is_path ? sizeof local : sizeof inet;

    if (is_path && strlen(set.place) >= sizeof local.sun_path)
        errx(2, "%s: too long for a socket", set.place);
    if (is_path)
        strcpy(local.sun_path, set.place);
    else
        inet.sin_port = htons((uint16_t)atoi(set.place));
    for (int tries = 0; tries < TRIES; tries++, usleep(1000)) {
        one->fd = socket(address->sa_family, SOCK_STREAM, 0);
        if (one->fd >= 0 && connect(one->fd, address, size) == 0) {
            struct epoll_event readable = {.events = EPOLLIN, .data.ptr = one};

            setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* no harm on a unix socket */
            epoll_ctl(watch, EPOLL_CTL_ADD, one->fd, &readable);
            return;
        }
        close(one->fd);
    }
    err(1, "cannot connect to %s", set.place);
}

/* One request is far smaller than a socket's buffer, and the one before was read: this never waits. */
static void ask(Connection *one)
{
    one->reply_size = 0;
    one->asked_ns = now_ns();
    send(one->fd, one->request, one->request_size, MSG_NOSIGNAL); /* a failure shows when we read */
}

/* As Postfix does when the server closes: connect anew and ask the same again. */
static void ask_again(Connection *one)
{
    if (++seen.reconnects > 1000 + 3 * seen.count)
        errx(1, "%s closes its connections and does not answer", set.place);
    close(one->fd);
    connect_to_server(one);
    ask(one);
}

/* ------------------------------------------------------------------ replies */

static void count_word(const char *word, size_t size)
{
    char kept[WORD_BYTES] = "";
    int i = 0;

    for (size_t k = 0; k < size && k < sizeof kept - 1; k++)
        kept[k] = word[k] >= ' ' && word[k] != '"' && word[k] != '\\' && word[k] < 127 ? word[k] : '?';
    while (i < WORDS - 1 && seen.replies[i].count && strcmp(seen.replies[i].word, kept))
        i++;
    if (!seen.replies[i].count)
        strcpy(seen.replies[i].word, i < WORDS - 1 ? kept : "others");
    seen.replies[i].count++;
}

static void count_latency(uint64_t ns)
{
    if (seen.count == seen.room) {
        seen.room = seen.room ? seen.room * 2 : 1 << 20;
        seen.ns = realloc(seen.ns, seen.room * sizeof *seen.ns);
        if (!seen.ns)
            err(2, "memory");
    }
    seen.ns[seen.count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

/* Is the whole reply there? Then its word: what stands behind action=, or in rspamd's "action". */
static bool whole_reply(Connection *one, const char **word, size_t *word_size)
{
    char *text = one->reply;
    size_t size = one->reply_size;

    text[size] = 0;
    if (!set.http) {
        if (size < 2 || memcmp(text + size - 2, "\n\n", 2))
            return false;
        *word = strncmp(text, "action=", 7) ? text : text + 7;
        *word_size = strcspn(*word, " \n");
        return true;
    }
    char *body = memmem(text, size, "\r\n\r\n", 4), *length = strcasestr(text, "\ncontent-length:");
    if (!body || !length || size < (size_t)(body + 4 - text) + strtoul(length + 16, NULL, 10))
        return false;
    const char *action = strstr(body, "\"action\":\"");
    *word = action ? action + 10 : text;
    *word_size = strcspn(*word, "\"\r\n");
    return true;
}

static int by_size(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

static double percentile_us(double part)
{
    size_t at = (size_t)(part * (double)seen.count);

    return seen.count ? seen.ns[at < seen.count ? at : seen.count - 1] / 1000.0 : 0;
}

static void print_result(double seconds, Usage before, Usage after, bool stalled)
{
    qsort(seen.ns, seen.count, sizeof *seen.ns, by_size);
    printf("{\"requests\": %zu, \"seconds\": %.4f, \"per_second\": %.1f, ", seen.count, seconds,
           (double)seen.count / seconds);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, ", percentile_us(0.5), percentile_us(0.99),
           percentile_us(1));
    printf("\"cpu_us\": %.3f, \"rss_before_kib\": %ld, \"rss_after_kib\": %ld, ",
           seen.count ? (after.cpu_s - before.cpu_s) * 1e6 / (double)seen.count : 0, before.rss_kib, after.rss_kib);
    printf("\"reconnects\": %llu, \"stalled\": %s, \"replies\": {", (unsigned long long)seen.reconnects,
           stalled ? "true" : "false");
    for (int i = 0; i < WORDS && seen.replies[i].count; i++)
        printf("%s\"%s\": %llu", i ? ", " : "", seen.replies[i].word, (unsigned long long)seen.replies[i].count);
    printf("}}\n");
}

/* ------------------------------------------------------------------ the run */

static void forget_warm_up(void)
{
    seen.count = 0;
    seen.reconnects = 0;
    memset(seen.replies, 0, sizeof seen.replies);
}

/* What came over one connection. Returns whether the connection goes on. */
static bool hear(Connection *one)
{
    const char *word;
    size_t word_size;
    ssize_t got = recv(one->fd, one->reply + one->reply_size, REPLY_BYTES - 1 - one->reply_size, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        ask_again(one);
        return true;
    }
    one->reply_size += (size_t)got;
    if (!whole_reply(one, &word, &word_size))
        return true;
    count_latency(now_ns() - one->asked_ns);
    count_word(word, word_size);
    if (!next_request(one)) {
        close(one->fd);
        return false;
    }
    if (set.http) { /* rspamd closes behind each answer */
        close(one->fd);
        connect_to_server(one);
    }
    ask(one);
    return true;
}

static void run(Connection *all)
{
    bool bounded = set.flood || set.each_once, counting = bounded || set.warm_up_s <= 0;
    int alive = 0;
    bool stalled = false;
    struct epoll_event ready[128];

    for (int i = 0; i < set.connections; i++) {
        connect_to_server(&all[i]);
        usleep(1000); /* some have a backlog of five, and a SYN that is dropped costs a second */
    }
    Usage before = usage_of_server();
    uint64_t began = now_ns(), now = began;
    uint64_t ends = bounded ? UINT64_MAX : began + (uint64_t)((set.warm_up_s + set.seconds) * 1e9);
    for (int i = 0; i < set.connections; i++) {
        all[i].recipients_left = -1;
        if (next_request(&all[i])) {
            ask(&all[i]);
            alive++;
        }
    }
    while (alive && !stalled && (now = now_ns()) < ends) {
        if (!counting && now >= began + (uint64_t)(set.warm_up_s * 1e9)) {
            forget_warm_up();
            counting = true;
            began = now;
            before = usage_of_server();
        }
        int some = epoll_wait(watch, ready, 128, PATIENCE_MS);
        stalled = some == 0;
        for (int i = 0; i < some; i++)
            alive -= !hear(ready[i].data.ptr);
    }
    print_result((double)(now_ns() - began) / 1e9, before, usage_of_server(), stalled);
}

static const struct option OPTIONS[] = {
    {"connections", required_argument, NULL, 'c'},    /* 10 */
    {"seconds", required_argument, NULL, 's'},        /* 3, after the warm-up */
    {"warm-up", required_argument, NULL, 'w'},        /* 0.3 seconds */
    {"accounts", required_argument, NULL, 'a'},       /* 1000 */
    {"zipf", required_argument, NULL, 'z'},           /* exponent, 1.0; 0: all alike */
    {"seed", required_argument, NULL, 'S'},
    {"recipients", required_argument, NULL, 'r'},     /* of a message, 1 */
    {"end-of-message", no_argument, NULL, 'e'},       /* ask at the end of each message as well */
    {"correspondents", required_argument, NULL, 'f'}, /* of an account, 2 */
    {"external", required_argument, NULL, 'x'},       /* percent of the accounts, 50 */
    {"each-once", no_argument, NULL, 'o'},            /* one message of each account in turn, and no more */
    {"key-flood", required_argument, NULL, 'k'},      /* so many logins that nobody has, each once, and no more */
    {"pid", required_argument, NULL, 'p'},            /* of the server; may be repeated */
    {"http", no_argument, NULL, 'h'},                 /* ask rspamd */
    {"show", no_argument, NULL, 'd'},                 /* print the requests of one message and ask nobody */
    {NULL, 0, NULL, 0},
};

static void read_options(int count, char **words)
{
    int letter;

    while ((letter = getopt_long(count, words, "", OPTIONS, NULL)) != -1) {
        switch (letter) {
        case 'c': set.connections = atoi(optarg); break;
        case 's': set.seconds = atof(optarg); break;
        case 'w': set.warm_up_s = atof(optarg); break;
        case 'a': set.accounts = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'z': set.zipf = atof(optarg); break;
        case 'S': set.seed = strtoull(optarg, NULL, 10); break;
        case 'r': set.recipients = atoi(optarg); break;
        case 'e': set.end_of_message = true; break;
        case 'f': set.correspondents = atoi(optarg); break;
        case 'x': set.external_percent = atoi(optarg); break;
        case 'o': set.each_once = true; break;
        case 'k': set.flood = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'p':
            if (set.pid_count < PIDS)
                set.pids[set.pid_count++] = atoi(optarg);
            break;
        case 'h': set.http = true; break;
        case 'd': set.show = true; break;
        default: exit(2);
        }
    }
    if (set.connections < 1 || set.accounts < 1 || set.recipients < 1 || set.correspondents < 1)
        errx(2, "connections, accounts, recipients and correspondents: at least 1 each");
    if (!set.show && optind != count - 1)
        errx(2, "usage: policyload [OPTIONS] PORT | policyload [OPTIONS] /PATH/OF/SOCKET");
    set.place = set.show ? "" : words[optind];
}

int main(int count, char **words)
{
    read_options(count, words);
    random_state = set.seed ? set.seed : 1;
    draw_accounts();
    watch = epoll_create1(0);
    Connection *all = calloc((size_t)set.connections, sizeof *all);
    if (!all)
        err(2, "memory");
    if (set.show) {
        all->recipients_left = -1;
        while (next_request(all) && messages == 1)
            fwrite(all->request, 1, all->request_size, stdout);
        return 0;
    }
    run(all);
    return 0;
}
