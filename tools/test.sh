#!/bin/bash
# Run the tests in as many processes as there are cores. What follows goes to pytest.
#
#   tools/test.sh                      all tests; with -n 0 in one process, with -k crop -x as pytest says
#   tools/test.sh slow-path            those of the elements again, where buffers come by PyGObject (EMPYCUSTOM_FAST_PATH=off)
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d .venv ] && PATH=$PWD/.venv/bin:$PATH
suite=(-n auto)

if [ "${1:-}" = slow-path ]; then
    shift
    # Left out: what chooses the way itself; what shows, finds or installs elements and sends no buffers; and the longest test,
    # whose like is in the first of these.
    for file in fast_path inspection installed; do suite+=(--ignore "tests/gst/test_$file.py"); done
    suite+=(--deselect tests/gst/test_buffers.py::test_memory_is_steady_over_10000_buffers_with_objects_and_attributes)
    export EMPYCUSTOM_FAST_PATH=off
    set -- tests/gst "$@"
fi
exec python -m pytest "${suite[@]}" "$@"
