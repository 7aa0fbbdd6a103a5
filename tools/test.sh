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
    # Without: tests of other elements (aimeta, perf, gvapython), and of how elements are found and attached; of buffers, pools, copies
    # and threads as the streaming thread has them; of metadata that others write on the buffer; and what is about workers already.
    # Single tests that are about these have the mark `inline`.
    for names in aimeta perf gv dlstreamer moving_ attach inspection installed listings document_schema testing surroundings \
        arrays_without_copy buffers pools copies shared threads fast_path cpp_exceptions many_starts foreign_metadata worker_ workers_ reload processes \
        output_caps_workers; do
        suite+=(--ignore-glob "tests/gst/test_$names*.py")
    done
    export EMPYCUSTOM_TEST_WORKERS=1
    set -- tests/gst "$@"
fi
exec python -m pytest "${suite[@]}" "$@"
