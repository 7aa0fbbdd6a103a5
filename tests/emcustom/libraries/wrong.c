/* Does, as soon as it gets a frame, what ACTION is. */
#define _GNU_SOURCE
#include "interface.h"
#include <signal.h>
#include <unistd.h>

void
process_ip (struct video_data *frame, const char *in_meta, char **out_meta REST)
{
  ACTION;
}
