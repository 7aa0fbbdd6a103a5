#!/bin/bash
# Run the tests in as many processes as there are cores. Arguments go to pytest.
#
#   tools/test.sh                      all tests; -n 0 uses one process; -k crop -x and others are pytest's
#   tools/test.sh slow-path            the tests of the elements again, with buffers by PyGObject (EMPYCUSTOM_FAST_PATH=off)
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d .venv ] && PATH=$PWD/.venv/bin:$PATH
suite=(-n auto)

if [ "${1:-}" = slow-path ]; then
    shift
    # Without: tests that select the path themselves; tests that show, find or install elements and send no buffers; and the
    # longest test, which is similar to one of the first.
    for file in fast_path inspection installed; do suite+=(--ignore "tests/gst/test_$file.py"); done
    suite+=(--deselect tests/gst/test_buffers.py::test_memory_is_steady_over_10000_buffers_with_objects_and_attributes)
    export EMPYCUSTOM_FAST_PATH=off
    set -- tests/gst "$@"
fi
exec python -m pytest "${suite[@]}" "$@"
