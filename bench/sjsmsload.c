/* Asks an sjsms server by UDP and counts the answers: so many sockets with one question each under way.

   sjsmsload [--sockets N] [--seconds S] [--triplets N] [--each-once] [--pid P] ADDRESS PORT

   Triplets are numbered; questions take them by chance (fixed seed), or each in turn and once. A question without
   an answer within a second is asked anew and counted as lost. Prints one JSON object. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_SOCKETS 1024

static int sockets = 64;
static double seconds = 3;
static long triplets = 1000, next_triplet, pid;
static int each_once;
static uint64_t chance = 88172645463325252ULL;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static long pick(void)
{
	if (each_once)
		return next_triplet++;
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance % triplets;
}

/* Seconds of CPU that a process has used. */
static double cpu_of(long process)
{
	char path[64], text[1024], *at;
	unsigned long user = 0, system = 0;
	FILE *file;
	size_t got;

	snprintf(path, sizeof path, "/proc/%ld/stat", process);
	if (!process || !(file = fopen(path, "r")))
		return 0;
	got = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[got] = 0;
	if ((at = strrchr(text, ')')))
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

static void ask(int fd)
{
	char text[512];
	long number = pick();
	int size = snprintf(text + 4, sizeof text - 4,
			    "sender=sender%ld@example%ld.org\nrecipient=user%ld@example.net\n"
			    "client_address=10.%ld.%ld.%ld\nhelo_name=mail.example%ld.org\n\n",
			    number, number % 997, number % 9973, number >> 14 & 255, number >> 6 & 255,
			    number & 255, number % 997);
	text[0] = 0;
	text[1] = 2;
	text[2] = size >> 8;
	text[3] = size & 255;
	if (send(fd, text, size + 4, 0) < 0 && errno != ECONNREFUSED) {
		perror("send");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = {.sin_family = AF_INET};
	struct epoll_event event, events[256];
	static double asked[MOST_SOCKETS];
	static int fds[MOST_SOCKETS];
	static long letters[256];
	long answers = 0, lost = 0;
	double begun, at, end, cpu;
	int poll, i;

	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strcmp(argv[i], "--each-once"))
			each_once = 1;
		else if (!strcmp(argv[i], "--sockets") && i + 1 < argc)
			sockets = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = atof(argv[++i]);
		else if (!strcmp(argv[i], "--triplets") && i + 1 < argc)
			triplets = atol(argv[++i]);
		else if (!strcmp(argv[i], "--pid") && i + 1 < argc)
			pid = atol(argv[++i]);
		else
			return 2;
	}
	if (argc - i != 2 || sockets < 1 || sockets > MOST_SOCKETS)
		return 2;
	server.sin_port = htons(atoi(argv[i + 1]));
	if (inet_pton(AF_INET, argv[i], &server.sin_addr) != 1)
		return 2;
	poll = epoll_create1(0);
	for (i = 0; i < sockets; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (connect(fds[i], (struct sockaddr *)&server, sizeof server))
			return 1;
		event.events = EPOLLIN;
		event.data.u32 = i;
		epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &event);
	}
	cpu = cpu_of(pid);
	begun = now();
	end = each_once ? begun + 600 : begun + seconds;
	for (i = 0; i < sockets; i++) {
		asked[i] = begun;
		ask(fds[i]);
	}
	while ((at = now()) < end && !(each_once && answers + lost >= triplets)) {
		int ready = epoll_wait(poll, events, 256, 100);
		for (int k = 0; k < ready; k++) {
			char reply[1024];
			int which = events[k].data.u32;
			ssize_t got = recv(fds[which], reply, sizeof reply, 0);
			if (got <= 0 || *reply == 'P')
				continue;
			answers++;
			letters[(unsigned char)*reply]++;
			asked[which] = at;
			if (!each_once || next_triplet < triplets)
				ask(fds[which]);
		}
		for (i = 0; ready == 0 && i < sockets; i++)
			if (at - asked[i] > 1) {
				lost++;
				asked[i] = at;
				if (!each_once || next_triplet < triplets)
					ask(fds[i]);
			}
	}
	printf("{\"per_second\": %.1f, \"cpu_us\": %.2f, \"answers\": %ld, \"lost\": %ld, \"letters\": {",
	       answers / (at - begun), (cpu_of(pid) - cpu) / (answers ? answers : 1) * 1e6, answers, lost);
	for (i = 0, poll = 0; i < 256; i++)
		if (letters[i])
			printf("%s\"%c\": %ld", poll++ ? ", " : "", i, letters[i]);
	printf("}}\n");
	return 0;
}
