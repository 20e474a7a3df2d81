/* The smallest service: answers every request with its environment and limits. Faults by the variable FAULT. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void end(int number) { (void)number; _exit(0); }

static void eat(void) {
    for (;;) {
        char *held = malloc(8 << 20);
        if (held) memset(held, 1, 8 << 20);
        usleep(100000);
    }
}

/* What another container of the task answers on its port: 502 in its place where it does not. */
static void pass_on(int client, int port) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *none = "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    int size, to = socket(AF_INET, SOCK_STREAM, 0);
    char piece[4096];
    if (connect(to, (struct sockaddr *)&there, sizeof there)) write(client, none, strlen(none));
    else for (write(to, "GET / HTTP/1.1\r\n\r\n", 18); (size = read(to, piece, sizeof piece)) > 0;) write(client, piece, size);
    close(to);
    close(client);
}

int main(void) {
    const char *fault = getenv("FAULT") ? getenv("FAULT") : "";
    const char *port = getenv("PORT") ? getenv("PORT") : "8080";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (!strcmp(fault, "exit")) { fprintf(stderr, "cannot find my model\n"); return 3; }
    if (!strcmp(fault, "exit-later")) { usleep(600000); fprintf(stderr, "cannot find my model\n"); return 3; }
    if (!strcmp(fault, "stays")) { signal(SIGTERM, end); for (;;) pause(); }
    if (!strncmp(fault, "reads:", 6) && open(fault + 6, O_RDONLY) < 0) { perror(fault + 6); return 4; }
    if (!strncmp(fault, "leaves:", 7)) return open(fault + 7, O_CREAT | O_WRONLY, 0644) < 0;
    if (!strncmp(fault, "writes:", 7) && open(fault + 7, O_CREAT | O_WRONLY, 0644) < 0) { perror(fault + 7); return 4; }
    if (!strcmp(fault, "loopback")) address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!strncmp(fault, "holds:", 6)) { size_t size = (size_t)atoi(fault + 6) << 20; memset(malloc(size), 1, size); }
    if (!strcmp(fault, "children")) for (int i = 0; i < 3; i++) if (!fork()) eat();
    signal(SIGTERM, strcmp(fault, "stubborn") ? end : SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) { perror("listen"); return 1; }
    for (;;) {
        char request[4096], body[8192] = "", head[128];
        struct rlimit files;
        int client = accept(listener, 0, 0);
        if (client < 0 || read(client, request, sizeof request) <= 0) { close(client); continue; }
        if (!strncmp(fault, "front:", 6)) { pass_on(client, atoi(fault + 6)); continue; }
        for (char **each = environ; *each; each++) { strncat(body, *each, 1000); strcat(body, "\n"); }
        getrlimit(RLIMIT_NOFILE, &files);
        sprintf(body + strlen(body), "uid=%d\nfiles=%llu\n", getuid(), (unsigned long long)files.rlim_cur);
        sprintf(head, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", strlen(body));
        write(client, head, strlen(head));
        write(client, body, strlen(body));
        close(client);
    }
}
