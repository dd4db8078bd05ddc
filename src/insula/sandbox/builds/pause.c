/* pause holds a pod's namespaces: it sleeps, reaps what is left to it, and leaves when asked. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void handle(int number) {
    if (number != SIGCHLD)
        _exit(0);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void) {
    signal(SIGINT, handle);
    signal(SIGTERM, handle);
    signal(SIGCHLD, handle);
    for (;;)
        pause();
}
