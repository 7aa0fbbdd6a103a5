/* Returns the text in RESULT, NULL where it is not defined. */
#define _GNU_SOURCE
#include "interface.h"

void
process_ip (struct video_data *frame, const char *in_meta, char **out_meta REST)
{
#ifdef RESULT
  *out_meta = strdup (RESULT);
#endif
}
