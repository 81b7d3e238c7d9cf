// Streams an answer into the chat page. Without this script the same form waits for the whole answer.
// Every text is set as text, never as markup, and every sentence comes from the server.
(function () {
  "use strict";

  var running = null;

  function form() { return document.getElementById("ask"); }

  function end() { return document.getElementById("end"); }

  function showEnd() { end().scrollIntoView({ block: "end" }); }

  function element(tag, className, text) {
    var made = document.createElement(tag);
    made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  function addTurn(kind, who) {
    var turn = element("article", "turn turn--" + kind);
    var head = element("header", "turn-head");
    head.appendChild(element("span", "turn-who", who));
    turn.appendChild(head);
    var turns = document.getElementById("turns");
    var welcome = turns.querySelector(".welcome");
    if (welcome) welcome.remove();
    turns.querySelectorAll(".again, .talk-tools").forEach(function (old) { old.remove(); });
    turns.insertBefore(turn, end());
    return turn;
  }

  // A live view of one answer: text, seams and the note on who writes it.
  function answerView(words) {
    var turn = addTurn("answer", words.answer);
    turn.classList.add("turn--working");
    turn.dataset.route = "cloud";
    var text = turn.appendChild(element("p", "turn-text"));
    var note = turn.appendChild(element("footer", "turn-note", words.working));
    var who = "";
    return {
      begun: function (line) { note.textContent = who = line.note; turn.dataset.route = line.route; },
      waiting: function (line) { note.textContent = line.sentence; },
      text: function (line) { text.textContent += line.text; if (who) note.textContent = who; },
      seam: function (line) {
        turn.insertBefore(element("p", "seam", line.sentence), note);
        text = element("p", "turn-text");
        turn.insertBefore(text, note);
        note.textContent = who = line.note;
        turn.dataset.route = line.route;
      },
      problem: function (sentence) {
        turn.insertBefore(element("p", "turn-problem", sentence), note);
        if (note.textContent === words.working) note.textContent = "";
      },
      stop: function () { turn.classList.remove("turn--working"); },
      scroll: function () {
        // A reader who has scrolled away is left alone.
        if (end().getBoundingClientRect().top < window.innerHeight + 240) showEnd();
      }
    };
  }

  // Calls `each` for every line of JSON in the body as it comes.
  async function eachLine(body, each) {
    var reader = body.getReader();
    var decoder = new TextDecoder();
    var rest = "";
    for (;;) {
      var part = await reader.read();
      rest += part.done ? "\n" : decoder.decode(part.value, { stream: true });
      var lines = rest.split("\n");
      rest = lines.pop();
      lines.filter(Boolean).forEach(function (line) { each(JSON.parse(line)); });
      if (part.done) return;
    }
  }

  function setBusy(busy) {
    var ask = form();
    ask.querySelector("[data-send]").disabled = busy;
    ask.querySelector("[data-stop]").hidden = !busy;
    document.querySelectorAll(".again button").forEach(function (b) { b.disabled = busy; });
  }

  function remember(id) {
    form().elements.conversation.value = id;
    history.replaceState(null, "", "/c/" + encodeURIComponent(id));
  }

  // What is stored is the truth: the finished turn is shown as the server renders it.
  async function showStored() {
    var id = form().elements.conversation.value;
    if (!id) return;
    var response = await fetch("/c/" + encodeURIComponent(id), { credentials: "same-origin" });
    if (!response.ok || response.redirected) return;
    var page = new DOMParser().parseFromString(await response.text(), "text/html");
    ["turns", "conversations"].forEach(function (name) {
      var fresh = page.getElementById(name);
      if (fresh) document.getElementById(name).replaceWith(document.importNode(fresh, true));
    });
    prepare();
  }

  async function send(from) {
    if (running) return;
    var ask = form();
    var words = ask.dataset;
    var body = new URLSearchParams(new FormData(from));
    var question = body.get("question");
    if (question !== null) addTurn("question", words.you).appendChild(element("p", "turn-text", question));
    var view = answerView(words);
    var progress = ask.querySelector("[data-progress]");
    var ended = false;
    running = new AbortController();
    setBusy(true);
    progress.textContent = words.working;
    showEnd();
    try {
      var response = await fetch("/ask", {
        method: "POST", body: body, signal: running.signal, credentials: "same-origin",
        headers: { accept: "application/x-ndjson" }
      });
      if (question !== null && response.ok) ask.elements.question.value = "";
      await eachLine(response.body, function (line) {
        if (line.conversation) remember(line.conversation);
        if (line.kind === "begun" || line.kind === "waiting" || line.kind === "text" || line.kind === "seam") view[line.kind](line);
        if (line.kind === "waiting") progress.textContent = line.sentence;
        if (line.kind === "failed") view.problem(line.sentence);
        if (line.kind === "finished" || line.kind === "failed") ended = line.kind;
        view.scroll();
      });
      if (!ended) view.problem(words.lost);
    } catch (error) {
      view.problem(running.signal.aborted ? words.cut : words.lost);
    }
    view.stop();
    running = null;
    setBusy(false);
    progress.textContent = ended === "finished" ? words.complete : words.failed;
    // A refusal that stored nothing stays as it is shown; a stop waits a moment for the box to store the rest.
    if (ended === "finished") await showStored().catch(function () {});
    else setTimeout(function () { showStored().catch(function () {}); }, 700);
    form().elements.question.focus();
  }

  function prepare() {
    document.querySelectorAll("[data-print]").forEach(function (button) {
      button.hidden = false;
      button.onclick = function () { window.print(); };
    });
  }

  function start() {
    var ask = form();
    prepare();
    if (!ask || !window.ReadableStream || !window.AbortController) return;
    document.getElementById("keys").hidden = false;
    document.addEventListener("submit", function (event) {
      if (event.target.getAttribute("action") !== "/ask") return;
      event.preventDefault();
      send(event.target);
    });
    ask.elements.question.addEventListener("keydown", function (event) {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      if (ask.elements.question.value.trim()) ask.requestSubmit ? ask.requestSubmit() : send(ask);
    });
    ask.querySelector("[data-stop]").addEventListener("click", function () {
      if (running) running.abort();
    });
    if (document.querySelector(".turn")) showEnd();
  }

  start();
})();
