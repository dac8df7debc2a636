/*
 * Part of policyload: what it is told, and the requests of each message. Included once, by policyload.c.
 */
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

static uint32_t *draws, messages;
/* When we began, in ms: no message of ours has the name of one of another run, which the server may remember. */
static uint32_t begun;

/* ------------------------------------------------------------------ chance */

static uint64_t random_state;

static uint32_t chance(void) /* xorshift64*, Vigna 2016 */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545F4914F6CDD1DULL) >> 32);
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

    at = put_number(at, begun, 16, 8);
    at = put_number(at, scattered(one->message), 16, 8);
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
    at = put_number(put(at, "."), begun, 16, 8);
    at = put_number(put(at, "."), one->message, 16, 1);
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
