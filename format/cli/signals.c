#include <signal.h>
#include <stdatomic.h>

#include "cli/progress.h"

/*
 * A global, as a signal handler can reach nothing else (the other one: format/src/guard.c). It only ever
 * goes from 0 to 1.
 */
static _Atomic int stop_requested; /* lock-free, hence fit for a handler; read by all threads */

static void on_signal(int number)
{
    (void)number;
    stop_requested = 1;
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    /* reads and writes go on; who waits polls cli_stopped */
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    /* after the first SIGINT the default action is back: the second ends the program at once */
    action.sa_flags |= (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
    /* a file that may not grow is an error of write, told with its name */
    signal(SIGXFSZ, SIG_IGN);
}

bool cli_stopped(void)
{
    return stop_requested != 0;
}
