/* emcustom's interface, in the version that the test asks for by -DINTERFACE. */
#ifndef INTERFACE
#define INTERFACE 3
#endif

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { I420, RGBA };
struct video_channel { void *data; int stride; };
struct video_data { int video_format, width, height; struct video_channel channels[3]; };

#if INTERFACE == 1
#define REST
#else
#define REST , const char *options, const char *events, void *last
#endif

/* Return a text of malloc's. */
static char *
text (const char *format, ...)
{
  va_list arguments;
  char *made = NULL;
  va_start (arguments, format);
  if (vasprintf (&made, format, arguments) < 0)
    abort ();
  va_end (arguments);
  return made;
}

static int
plane_width (const struct video_data *frame, int plane)
{
  return frame->video_format == RGBA ? frame->width * 4 : plane ? (frame->width + 1) / 2 : frame->width;
}

static int
plane_height (const struct video_data *frame, int plane)
{
  return plane ? (frame->height + 1) / 2 : frame->height;
}
