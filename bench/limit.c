/*
 * limit - the least that a Postfix policy server can do, as the measure for all others.
 *
 *     limit PORT | limit /PATH/OF/SOCKET
 *
 * Reads until an empty line ends what a connection has sent and answers action=DUNNO. It looks at nothing, keeps
 * one bit a connection, and runs as one thread with epoll. Only for clients that wait for their answer before they
 * ask again, as Postfix does: of several requests in one packet it answers the last.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DESCRIPTORS = 16384, EVENTS = 128, BACKLOG = 511 };

static const char ANSWER[] = "action=DUNNO\n\n";

/* Did the last bytes that came end with a newline? Then a packet that is nothing but one ends the request. */
static bool line_ended[DESCRIPTORS];

static int listen_at(const char *place)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr *address = (struct sockaddr *)&inet;
    socklen_t size = sizeof inet;

    if (place[0] == '/') {
        if (strlen(place) >= sizeof local.sun_path)
            errx(2, "%s: too long for a socket", place);
        strcpy(local.sun_path, place);
        address = (struct sockaddr *)&local;
        size = sizeof local;
    } else {
        inet.sin_port = htons((uint16_t)atoi(place));
    }
    int listener = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (listener < 0 || bind(listener, address, size) || listen(listener, BACKLOG))
        err(1, "%s", place);
    return listener;
}

static void take_in(int listener, int watch)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event readable = {.events = EPOLLIN, .data.fd = fd};

        if (fd >= DESCRIPTORS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* no harm on a unix socket */
        line_ended[fd] = false;
        epoll_ctl(watch, EPOLL_CTL_ADD, fd, &readable);
    }
}

static void serve(int fd)
{
    static char bytes[65536];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);

    if (got <= 0) {
        close(fd);
        return;
    }
    bool ends = bytes[got - 1] == '\n';
    bool empty_line = ends && (got > 1 ? bytes[got - 2] == '\n' : line_ended[fd]);
    line_ended[fd] = ends && !empty_line;
    if (empty_line && send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0)
        close(fd);
}

int main(int count, char **words)
{
    if (count != 2)
        errx(2, "usage: limit PORT | limit /PATH/OF/SOCKET");
    int listener = listen_at(words[1]), watch = epoll_create1(0);
    struct epoll_event readable = {.events = EPOLLIN, .data.fd = listener}, ready[EVENTS];

    epoll_ctl(watch, EPOLL_CTL_ADD, listener, &readable);
    for (;;) {
        int some = epoll_wait(watch, ready, EVENTS, -1);

        for (int i = 0; i < some; i++) {
            if (ready[i].data.fd == listener)
                take_in(listener, watch);
            else
                serve(ready[i].data.fd);
        }
    }
}
