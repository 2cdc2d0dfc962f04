// Remembers where a video was left, and goes on from there; without script it just plays.
const film = document.querySelector("video[data-bookmark]");
const token = document.querySelector('input[name="csrfmiddlewaretoken"]').value;
const EVERY = 10;
let saved = Number(film.dataset.second);

film.addEventListener("loadedmetadata", () => {
  if (saved && saved < film.duration - EVERY) film.currentTime = saved;
}, { once: true });

function save() {
  const second = Math.floor(film.currentTime);
  if (second === saved) return;
  saved = second;
  navigator.sendBeacon(film.dataset.bookmark, new URLSearchParams({ csrfmiddlewaretoken: token, second }));
}

film.addEventListener("timeupdate", () => { if (Math.abs(film.currentTime - saved) >= EVERY) save(); });
film.addEventListener("pause", save);
window.addEventListener("pagehide", save);
