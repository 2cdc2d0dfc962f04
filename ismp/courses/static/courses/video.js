// Remembers where a video was left, and goes on from there; without script it just plays.
const film = document.querySelector("video[data-keep]");
const token = document.querySelector('input[name="csrfmiddlewaretoken"]').value;
const EVERY = 10;
let kept = Number(film.dataset.second);

film.addEventListener("loadedmetadata", () => {
  if (kept && kept < film.duration - EVERY) film.currentTime = kept;
}, { once: true });

function keep() {
  const second = Math.floor(film.currentTime);
  if (second === kept) return;
  kept = second;
  navigator.sendBeacon(film.dataset.keep, new URLSearchParams({ csrfmiddlewaretoken: token, second }));
}

film.addEventListener("timeupdate", () => { if (Math.abs(film.currentTime - kept) >= EVERY) keep(); });
film.addEventListener("pause", keep);
window.addEventListener("pagehide", keep);
