#!/bin/bash
# Run the tests in as many processes as there are cores. Arguments go to pytest.
#
#   tools/test.sh                      all tests; -n 0 uses one process; -k crop -x and others are pytest's
#   tools/test.sh slow-path            the tests of the elements again, with buffers by PyGObject (EMPYCUSTOM_FAST_PATH=off)
#   tools/test.sh workers              the tests of what libraries get and return again, with workers=1
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d .venv ] && PATH=$PWD/.venv/bin:$PATH
suite=(-n auto)

if [ "${1:-}" = slow-path ]; then
    shift
    # Without: tests that select the path themselves; tests that show, find or install elements and send no buffers; what goes
    # on in workers, around the element or before the first buffer, which is the same; and the longest test, which is similar to
    # one of the first.
    for file in fast_path inspection installed reload process attach attach_ends attach_errors testing shared \
        declared_options options_files dotted_names late_import c_locale quotes gvapython_errors moving_gvapython_page; do
        suite+=(--ignore "tests/gst/test_$file.py")
    done
    for names in worker_ workers_ reload_ processes; do suite+=(--ignore-glob "tests/gst/test_$names*.py"); done
    suite+=(--deselect tests/gst/test_buffers.py::test_memory_is_steady_over_10000_buffers_with_objects_and_attributes)
    export EMPYCUSTOM_FAST_PATH=off
    set -- tests/gst tests/emcustom "$@"
elif [ "${1:-}" = workers ]; then
    shift
    # Without: tests of the streaming thread's own ways, of metadata that others write, and of other elements. Single tests that
    # are about these have the mark `inline`.
    files=()
    for subject in analytics analytics_elements c_locale carriage carried_boxes changed_analytics changed_objects document empycustom \
        empycustom_properties end_of_stream errors frame_results labels map_frame moved_geometry named_frames object_arrays \
        object_sources options_files output_caps pixel_formats process quotes returned_objects \
        returned_views slow_calls starting_together stats stream_time typos_reported unplayed; do
        files+=("tests/gst/test_$subject.py")
    done
    export EMPYCUSTOM_TEST_WORKERS=1
    set -- "${files[@]}" "$@"
fi
exec python -m pytest "${suite[@]}" "$@"
