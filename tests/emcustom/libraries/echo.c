/* Returns what it got: in_meta and, from the second interface on, options, events and the last argument; also start and stop. */
#define _GNU_SOURCE
#include "interface.h"

static char *started;

void
start (const char *options)
{
  started = options ? text ("%s", options) : NULL;
}

void
stop (const char *options)
{
  const char *place = getenv ("STOPPED");
  FILE *file = place ? fopen (place, "a") : NULL;
  if (file) {
    fprintf (file, "%s\n", options ? options : "NULL");
    fclose (file);
  }
  free (started);
}

void
process_ip (struct video_data *frame, const char *in_meta, char **out_meta REST)
{
#if INTERFACE == 1
  *out_meta = text ("{\"frame\": [{\"meta\": {\"in_meta\": %s}}]}", in_meta);
#else
  *out_meta = text ("{\"frame\": [{\"meta\": {\"in_meta\": %s, \"options\": %s, \"events\": %s, \"started\": %s, \"last\": %lu}}]}",
      in_meta, options ? options : "null", events ? events : "null", started ? started : "null", (unsigned long) last);
#endif
}
