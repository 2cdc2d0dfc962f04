// The import window: bytes going, then what the server says of the run, over the page.
// Without this script the form posts by itself and the run has its own page.
const form = document.getElementById("upload");
const dialog = document.getElementById("import-window");
const $ = (id) => document.getElementById(id);

function size(bytes) {
  return bytes >= 1048576 ? `${(bytes / 1048576).toFixed(1)} MB` : `${Math.max(1, Math.floor(bytes / 1024))} KB`;
}

// An archive says in its first bytes whether its file has a password.
async function asksForPassword(file) {
  const head = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  return head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4 && (head[6] & 1) === 1;
}

function stop(sentence) {
  $("sending-words").textContent = sentence;
  $("sending-words").closest("p").className = "message error";
  $("sending-words").closest("p").setAttribute("role", "alert");
  $("sending-bar").hidden = true;
  $("import-close").textContent = "關閉視窗";
  window.onbeforeunload = null;
}

// The server's own answer has a sentence; this is for one that did not come from it.
function fallbackSentence(status) {
  if (status === 413) return "檔案超過上限，沒有收下；請壓縮成 ZIP 或分成幾個檔案，再上傳一次。";
  if (status >= 500) return "平台暫時沒有回應，檔案沒有收下；請等十秒，再上傳一次。";
  return "這一頁已經過期，檔案沒有收下；請關閉視窗、重新整理頁面後再上傳。";
}

function send(button) {
  const file = form.elements.file.files[0];
  const data = new FormData(form, button);
  const request = new XMLHttpRequest();
  let received = false;
  $("import-title").textContent = button.value === "dry_run" ? "試匯入檔案" : "匯入檔案";
  $("import-file").textContent = `${file.name}（${size(file.size)}）`;
  $("import-close").textContent = "取消傳送";
  dialog.showModal();
  window.onbeforeunload = (event) => event.preventDefault();

  request.upload.onprogress = (event) => {
    $("sending-bar").value = event.loaded / event.total;
    $("sending-bytes").textContent = `${size(event.loaded)}／${size(event.total)}`;
  };
  request.onload = () => {
    window.onbeforeunload = null;
    if (request.responseURL.includes("/login/")) { location.assign(request.responseURL); return; }
    const answer = request.response;
    if (!answer?.window) {
      stop(answer?.error ?? fallbackSentence(request.status));
      return;
    }
    received = true;
    $("sending").hidden = true;
    $("import-close").textContent = "關閉視窗";
    $("import-page").href = answer.page;
    $("import-page").hidden = false;
    htmx.ajax("GET", answer.window, { target: "#import-body", swap: "innerHTML" });
  };
  request.onerror = () => stop("檔案沒有傳完就中斷了，沒有匯入任何資料；請檢查網路後重新上傳。");
  request.responseType = "json";
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.send(data);

  $("import-close").onclick = () => dialog.close();
  dialog.onclose = () => {
    window.onbeforeunload = null;
    if (!received) request.abort();
    location.reload(); // the list and its counts, as they are now
  };
}

if (form && dialog) {
  form.elements.file.addEventListener("change", async () => {
    const [file] = form.elements.file.files;
    const asks = Boolean(file) && await asksForPassword(file);
    $("ask-password").hidden = !asks;
    $("id_password").required = asks;
    if (asks) $("id_password").focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.submitter);
  });
}

// One short sentence for screen readers whenever the run comes a step further.
document.body.addEventListener("htmx:afterSwap", () => {
  const sentence = $("run-window")?.dataset.announce;
  const announcer = $("run-window")?.closest("dialog, main").querySelector("[data-announcer]");
  if (announcer && announcer.textContent !== sentence) announcer.textContent = sentence;
});
