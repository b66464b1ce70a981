#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int numbers[] = {SIGINT, SIGTERM};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static struct sigaction before[NUMBERS];
static bool watched[NUMBERS];
static volatile sig_atomic_t asked;

/* Async-signal-safe: sigaction and write are. */
static void restore(void)
{
    for (int i = 0; i < NUMBERS; i++)
        if (watched[i]) sigaction(numbers[i], &before[i], NULL);
}

static void note(int number)
{
    static const char text[] = "cgsv: will stop after this round; a second signal stops at once\n";
    const int error = errno;
    (void)number;
    asked = 1;
    restore();
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) errno = error; /* nobody to tell it to */
    errno = error;
}

void signals_watch(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < NUMBERS; i++) sigaddset(&action.sa_mask, numbers[i]);
    for (int i = 0; i < NUMBERS; i++) {
        sigaction(numbers[i], NULL, &before[i]);
        watched[i] = before[i].sa_handler != SIG_IGN;
        if (watched[i]) sigaction(numbers[i], &action, NULL);
    }
}

void signals_release(void) { restore(); }

bool signals_asked(void) { return asked; }
