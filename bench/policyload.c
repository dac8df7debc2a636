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

#include "policyload_requests.h"
#include "policyload_results.h"

static int watch;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
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

/* ------------------------------------------------------------------ the run */

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
    begun = (uint32_t)(now_ns() / 1000000u);
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
