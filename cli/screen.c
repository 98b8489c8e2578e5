// SPDX-License-Identifier: BSD-3-Clause
#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// alternate screen, cursor off; and back
#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

static struct termios before;
static bool taken;
static volatile sig_atomic_t ended, resized;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else
		ended = 1;
}

// Fatal signals: give the terminal back, then die of it.
static void on_fatal(int number)
{
	screen_close();
	signal(number, SIG_DFL);
	raise(number);
}

void screen_close(void)
{
	if (!taken)
		return;
	taken = false;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	// on the way out nothing can be done about a failure
	if (write(STDOUT_FILENO, LEAVE, sizeof(LEAVE) - 1) < 0)
		return;
}

static bool can_draw(void)
{
	const char *kind = getenv("TERM");

	return isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && kind && *kind &&
	       strcmp(kind, "dumb") != 0;
}

void screen_open(struct screen *screen, bool draws)
{
	struct sigaction end = {.sa_handler = on_signal}, fatal = {.sa_handler = on_fatal};
	struct termios raw;

	memset(screen, 0, sizeof(*screen));
	screen->rows = 1000;
	screen->columns = 200;
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	if (!draws || !can_draw() || tcgetattr(STDIN_FILENO, &before))
		return;
	screen->terminal = taken = true;
	sigaction(SIGWINCH, &end, NULL);
	sigaction(SIGSEGV, &fatal, NULL);
	sigaction(SIGABRT, &fatal, NULL);
	sigaction(SIGQUIT, &fatal, NULL);
	atexit(screen_close);
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	fputs(ENTER, stdout);
}

void screen_begin(struct screen *screen)
{
	struct winsize size;

	screen->len = 0;
	screen->drawn_rows = 0;
	if (screen->terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row) {
		screen->rows = size.ws_row;
		screen->columns = size.ws_col;
	}
}

int screen_left(const struct screen *screen)
{
	return screen->rows - screen->drawn_rows;
}

void screen_line(struct screen *screen, bool bold, const char *format, ...)
{
	char line[1024];
	size_t room = sizeof(screen->text) - screen->len;
	va_list args;
	int n;

	if (screen_left(screen) <= 0)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (screen->terminal)
		n = snprintf(screen->text + screen->len, room, "%s%s%.*s%s\033[K",
		    screen->drawn_rows ? "\r\n" : "", bold ? "\033[1m" : "", screen->columns, line,
		    bold ? "\033[0m" : "");
	else
		n = snprintf(screen->text + screen->len, room, "%s\n", line);
	screen->len += (size_t)n < room ? (size_t)n : room - 1;
	screen->drawn_rows++;
}

void screen_show(struct screen *screen)
{
	if (screen->terminal)
		fputs("\033[H", stdout);
	fwrite(screen->text, 1, screen->len, stdout);
	fputs(screen->terminal ? "\033[J" : "\n", stdout);
	fflush(stdout);
}

int screen_wait(const struct screen *screen, int milliseconds)
{
	struct pollfd fd = {screen->terminal ? STDIN_FILENO : -1, POLLIN, 0};
	unsigned char key;

	if (!ended && !resized && poll(&fd, 1, milliseconds) > 0)
		return read(STDIN_FILENO, &key, 1) == 1 ? key : SCREEN_END;
	if (ended)
		return SCREEN_END;
	if (!resized)
		return SCREEN_TIME;
	resized = 0;
	return SCREEN_RESIZED;
}
