/* A text that is written as a stream, in memory. */
#ifndef IO_TEXT_STREAM_H
#define IO_TEXT_STREAM_H

#include <stdbool.h>
#include <stdio.h>

struct text_stream {
    FILE *to; /* NULL without memory */
    char *text; /* what was flushed; ends in NUL */
    size_t length, room;
};

/* The stream knows its place, so it must not move while it is open. */
bool text_stream_open(struct text_stream *stream);

/* Completes `text`; false when memory ran out at any time. */
bool text_stream_flush(struct text_stream *stream);

/* The text, the caller's to free; NULL when memory ran out at any time. */
char *text_stream_close(struct text_stream *stream);

#endif
