"""What `--help` says about each command, before its options (RUN) and after them (RUN_MORE)."""

DESCRIPTION = """\
Call your Python function for every frame of a video, in a GStreamer pipeline.
It gets the pixels and the objects that were found on the frame; what it returns
is attached to the frame as JSON."""

OVERVIEW = """\
first steps:
  empycustom new my_lib.py           write a library that runs as it is
  empycustom check my_lib.py         try it on one synthetic frame
  empycustom run video.mp4 --lib my_lib.py --out meta.jsonl
  empycustom doctor                  check the installation

`empycustom COMMAND --help` describes each command.
Exit codes: 0 done, 1 an error, 2 wrong arguments, 130 after Ctrl-C, or when a debugger was quit."""

RUN = """\
Play SOURCE through one or more libraries. With --out, the JSON documents (one
per frame) go to a file; with --save, the frames go to a video or a picture; with
--show, to a window; with --publish, the documents go to a broker or a database.
Without any of them the documents are printed, one per line.
Nothing else is on stdout: the output of libraries goes to stderr. Without --lib,
SOURCE is played and measured, with documents only if --out is given. If SOURCE
is a stream configuration, a JSON file, its streams are played."""

RUN_MORE = """\
SOURCE is one of:
  video.mp4                      a file; sound in it is ignored
  frames, 'frames/*.jpg'         the pictures and videos of a folder, or of a glob
  frames/%05d.jpg                pictures with numbers in their names
  rtsp://camera/stream           a URI (rtsp, http, https, file ...)
  camera, camera:1, /dev/video1  a camera
  -, or the name of a FIFO       a video from stdin, or from the FIFO
  test                           a moving ball, without end unless --frames is given
  emi_stream_config.json         a stream configuration, with the options above

Several files, from one such SOURCE or from several, play one after the other as
one stream, sorted by names and numbers (2.jpg before 10.jpg) or as you typed
them: libraries start once, frame numbers continue, and `source` in the documents
names the file of a frame. Each picture lasts 1/25 s. A file that cannot be played
is an error that names it; the others are played, and the exit code is 1.

Libraries are called in the order of the command line. --options and --every
belong to the --lib before them:
  --lib detect.py --every 5 --lib average.py --options '{"person_class_id": 2}'
A library with process_ip works on the frames in place; one with only process
makes new frames.

A call that raises, or returns a result that cannot be used, ends the run with
exit code 1. With --on-error pass the frame goes on without a result, with drop it
is dropped; each cause is reported once, as a warning, the summary counts all of
them, and they do not change the exit code. --on-error belongs to the --lib before
it; before the first --lib it is for all libraries. So does --reload.

With --workers a library runs in processes of its own (workers): it uses other
cores, and a crash is an error that names the line, as an exception is; with
--on-error pass or drop another worker takes its place. --call-timeout does the
same for a call that does not return. With --pace latest no frame waits: each goes
on with the newest result, which may be about an earlier one (from_frame). Like
--on-error, these three belong to the --lib before them, or to all:
  --workers 2 --lib detect.py --pace latest --lib read.py --call-timeout 500

At the end a summary is on stderr: frames, speed, files that were written, and
for each library its calls, their times (the median; p95: 95 of 100 calls took
no longer), errors and dropped frames; of one with workers also frames that were
skipped because no worker was free, those that waited for one, and restarts:
workers that took the place of others. The speed is measured from the first frame
on. --summary-json writes the same for programs, and the exit code, also after
errors and Ctrl-C.

--save depends on the file name: .mp4 .mkv .avi .webm are videos, .png .jpg the
last frame. It can be given several times; if a configuration has several streams,
write {stream_id} for the name of each. Without --show, files are read as fast as
the libraries allow. Ctrl-C ends the stream and finishes the files, and so do
SIGTERM, a closed terminal (SIGHUP) and an error; a second Ctrl-C stops at once.
If a video may be unfinished, an error names it, and the exit code is not 0. A
video has one size, that of its first frame; odd sizes and sizes below 16 pixels
get black pixels at the right and at the bottom. Frames without timestamps, as in
MJPEG, get them: the time of their arrival, or 25 per second from a file. Videos
and pictures that are stored rotated, as by phones, are turned upright.

--start and --duration play a part of a video: exactly the frames whose time in
the video (stream_time) is not before the start, and before its end. The video of
--save begins at 0. Times are seconds, m:ss or h:mm:ss, with fractions:
--start 1:20 --duration 2.5. In .mp4, .mov, .mkv, .webm, .avi, .flv and .ogg
decoding begins at the last key frame before the start; other files are read from
their beginning. Without --start, --duration works with all sources.

From a live source (a camera, RTSP, MJPEG over HTTP) the libraries get the newest
frame: frames that arrive while they are busy are skipped, and counted in the
summary. With --every-frame they get all frames; if they are too slow, results
fall behind.

With --metrics 9464, http://127.0.0.1:9464/metrics has the numbers of the summary
and more for Prometheus while it plays, and /healthz says whether frames flow: 200,
or 503 and why not. It has no login: 0.0.0.0:9464 is for all who reach the machine.

examples:
  empycustom run video.mp4 --lib my_lib.py
  empycustom run rtsp://camera/stream --frames 500 --summary-json -
  empycustom run video.mp4 --lib people.py --lib empycustom.libs.draw \\
      --out meta.jsonl --save people.mp4 --save last.png
  empycustom run 'frames/*.jpg' more.mp4 --lib people.py --out meta.jsonl
  empycustom run a.mp4 --lib my_lib.py --start 1:20 --duration 10 --save b.mp4
  empycustom run camera --lib people.py --lib empycustom.libs.draw --show
  ssh camera.local cat video.mkv | empycustom run - --lib my_lib.py
  empycustom run test --lib my_lib.py --frames 100 | jq .frame[0].emcustom
  empycustom run emi_stream_config.json --source rtsp://camera/stream
  empycustom run emi_stream_config.json --source video.mp4 --dry-run"""

STUDIO = """\
Play SOURCE through libraries as `run` does, and show it in the browser: the
picture with what was found on it, the documents, the libraries with their times,
options and errors. Files are played at their own speed, again and again.
Libraries are loaded anew when they are saved; one that fails lets frames pass
meanwhile (--on-error pass), and the page shows why. Ctrl-C ends it."""

STUDIO_MORE = """\
SOURCE, --lib and the options behind it are those of `run`. With --frames, --start
or --duration, SOURCE is played once.

Only this machine can open the page. With --host 0.0.0.0, or the address of a
network, others can, with the token in the address that is printed.

examples:
  empycustom studio video.mp4 --lib my_lib.py --open
  empycustom studio camera --lib people.py --lib empycustom.libs.track
  empycustom studio emi_stream_config.json --host 0.0.0.0 --port 8000"""

SCHEMA = """\
Print the JSON Schema of the stream configuration, emi_stream_config.json, of
documents, or of messages that are published, for editors and other programs."""

SCHEMA_MORE = """\
examples:
  empycustom schema > emi_stream_config.schema.json
  empycustom schema --document > document.schema.json
  empycustom schema --message objects > message.schema.json"""

LAUNCH = """\
Play a pipeline in the notation of gst-launch-1.0, with the elements empycustom,
aimeta and perf. It needs neither a plugin path nor the loader plugin."""

LAUNCH_MORE = """\
DESCRIPTION is one quoted text, or several arguments as for gst-launch-1.0. In
several arguments, a value with blanks or quotation marks (JSON in `options`)
needs only the quotes of the shell.

examples:
  empycustom launch 'videotestsrc num-buffers=100
      ! empycustom custom-lib=my_lib.py in-place=true
      ! aimeta silent=false ! fakesink'
  empycustom launch videotestsrc ! empycustom custom-lib=my_lib.py \\
      in-place=true options='{"level": 3}' ! perf ! fakesink"""

COMPLETION = """\
Print the script with which the Tab key completes commands, options, their values
and files. It is read once by the shell: completion starts no Python."""

COMPLETION_MORE = """\
It needs the package shtab, once: pip install 'empycustom[completion]'.

Bash reads the script from this file, where the package bash-completion is
installed:
  mkdir -p ~/.local/share/bash-completion/completions
  cd ~/.local/share/bash-completion/completions
  empycustom completion bash > empycustom

Zsh reads it from a folder that ~/.zshrc names before it calls compinit, with
fpath=(~/.zfunc $fpath):
  mkdir -p ~/.zfunc
  empycustom completion zsh > ~/.zfunc/_empycustom

For one session:
  eval "$(empycustom completion bash)"

After an upgrade of empycustom, write the file again."""

PATH = """\
Print the folder that GST_PLUGIN_PATH needs, so that gst-launch-1.0 and other
programs find the elements."""

PATH_MORE = """\
example:
  export GST_PLUGIN_PATH=$(empycustom plugin-path)
  gst-inspect-1.0 empycustom"""

NEW = """\
Write a file that runs as it is, with comments on what you can change: a library,
or what --kind says. The next commands are printed."""

NEW_MORE = """\
kinds:
{}

Nothing that exists is overwritten without --force.

examples:
  empycustom new my_lib.py && empycustom check my_lib.py
  empycustom new find.py --kind detector
  empycustom new emi_stream_config.json --kind config
  empycustom new people_counter --kind project"""

DOCTOR = """\
Check everything that the elements need: Python, its virtual environment,
PyGObject, GStreamer, NumPy, the plugin that loads Python elements, and the
registry. Each line begins with ok, warning or problem, and has a fix. Nothing is
changed without --fix."""

DOCTOR_MORE = """\
--fix prints the commands that it would run, and what is left to you, such as
variables of your shell. Then it asks. On a yes it runs them: apt-get, with sudo
where you are not root, pip, and small changes of files. Where stdin is not a
terminal it changes nothing without --yes. Then everything is checked again.

The exit code is 1 if there is a problem, also after --fix, and if a command of
--fix fails. The object of --json has:
  empycustom  the version
  problems    how many there are
  warnings    how many there are
  findings    a list of objects with the five texts below
  check       what was checked: python, packages, elements, loader ...
  level       ok, warning or problem
  text        what was found
  fix         what to do, "" if nothing has to be done
  details     a traceback, for example, or ""

examples:
  empycustom doctor --fix
  empycustom doctor --json | jq -r '.findings[] | select(.fix != "").fix'"""
