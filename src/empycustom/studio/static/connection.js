/** The WebSocket to the program: it comes back by itself, and has one picture under way at most. */

const FIRST_WAIT = 300; // ms
const LONGEST_WAIT = 3000;
const LONGEST_HANDSHAKE = 6000;
const REFUSED =
  "This page may not talk to the program. Open the address with the token that the program printed when it started.";
const FULL = "The program is there, but takes no more pages. Close one of the others; this page tries again by itself.";
const LOST = "The connection to the program is lost. The page tries again by itself.";

export class Connection {
  #store;
  #socket = null;
  #wait = FIRST_WAIT;
  #timer = 0;
  #watched = null; // the stream that the program was told
  #isAsked = false; // a picture was asked for, and has not come
  #replies = new Map(); // id: {resolve, reject}
  #lastId = 0;
  #inVain = 0; // how often the program answered, but not the WebSocket
  #decoder = new TextDecoder();

  constructor(store) {
    this.#store = store;
    store.addEventListener("drawn", () => this.#next());
    for (const name of ["stream", "live"]) store.addEventListener(name, () => this.#tell());
    document.addEventListener("visibilitychange", () => this.#tell());
    window.addEventListener("online", () => this.retry());
  }

  open() {
    clearTimeout(this.#timer);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#closed(socket, event);
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.readyState === WebSocket.CONNECTING && socket.close(), LONGEST_HANDSHAKE);
  }

  /** Try again at once, if the connection is lost. */
  retry() {
    if (this.#socket) return;
    this.#wait = FIRST_WAIT;
    this.open();
  }

  /**
   * Set all options of a library.
   *
   * Resolves when they are in effect; rejects with an Error whose message is a sentence for the user.
   */
  setOptions(stream, library, options) {
    return this.#ask({ type: "options", stream, library, options });
  }

  /** Set an option of the stream configuration; see setOptions. */
  set(stream, name, value) {
    return this.#ask({ type: "setting", stream, name, value });
  }

  #ask(message) {
    const id = ++this.#lastId;
    if (!this.#send({ ...message, id })) {
      return Promise.reject(new Error("The connection to the program is lost, so nothing was set."));
    }
    return new Promise((resolve, reject) => this.#replies.set(id, { resolve, reject }));
  }

  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Tell the program which stream is wanted: none while the page is hidden or stopped. */
  #tell() {
    const { stream, isLive, connected } = this.#store;
    const wanted = isLive && document.visibilityState === "visible" ? stream : null;
    if (!connected || wanted === this.#watched) return;
    this.#watched = wanted;
    this.#send({ type: "watch", stream: wanted });
    this.#isAsked = false;
    this.#next();
  }

  /** Ask for the next picture. */
  #next() {
    if (this.#watched === null || this.#isAsked) return;
    this.#isAsked = this.#send({ type: "ready" });
  }

  #receive(data) {
    if (typeof data !== "string") {
      this.#takePicture(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "hello") this.#greet(message);
    else if (message.type === "state") this.#store.setStreams(message.streams);
    else if (message.type === "reply") this.#answer(message);
  }

  #greet(message) {
    clearTimeout(this.#timer);
    this.#wait = FIRST_WAIT;
    this.#inVain = 0;
    const isNew = this.#store.greet(message);
    this.#store.setLink("open");
    if (isNew) this.#store.tell("The program was started again; the frames that were kept are gone.");
    this.#tell();
  }

  #answer({ id, error }) {
    const reply = this.#replies.get(id);
    this.#replies.delete(id);
    if (error) reply?.reject(new Error(error));
    else reply?.resolve();
  }

  #takePicture(data) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(this.#decoder.decode(new Uint8Array(data, 4, length)));
    const isWanted = this.#isAsked && header.stream === this.#watched;
    if (!isWanted) return; // it was on its way when another stream, or none, was asked for
    this.#isAsked = false;
    const blob = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
    this.#store.keep({ ...header, blob, documentBytes: length, bitmap: null, at: performance.now() });
  }

  #closed(socket, event) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#watched = null;
    this.#isAsked = false;
    clearTimeout(this.#timer);
    for (const { reject } of this.#replies.values()) {
      reject(new Error("The connection was lost before the program answered; look whether it is set."));
    }
    this.#replies.clear();
    this.#timer = setTimeout(() => this.open(), this.#wait);
    this.#wait = Math.min(this.#wait * 1.7, LONGEST_WAIT);
    this.#explain(event.reason);
  }

  /** Say why there is no connection: a browser hides the answer to a refused WebSocket, so the page itself is asked for. */
  async #explain(reason) {
    if (this.#store.link.state === "open") this.#store.setLink("lost", LOST);
    let status = 0;
    try {
      status = (await fetch("/", { method: "HEAD", cache: "no-store" })).status;
    } catch {
      // the program is not there
    }
    if (this.#socket?.readyState === WebSocket.OPEN) return;
    if (status === 401 || status === 403) this.#store.setLink("refused", REFUSED);
    else if (status === 200 && ++this.#inVain > 3) this.#store.setLink("lost", FULL);
    else this.#store.setLink("lost", reason ? `${LOST} It said: ${reason}` : LOST);
  }
}
