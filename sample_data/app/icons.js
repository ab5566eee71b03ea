"use strict";
// Every picture of the app is drawn here: line icons and flat landscape thumbnails.

const PATHS = {
  back: "M20 12H5M11 6l-6 6 6 6",
  close: "M6 6l12 12M18 6L6 18",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20",
  more: "M12 5.5v.01M12 12v.01M12 18.5v.01",
  plus: "M12 5v14M5 12h14",
  home: "M4 11l8-7 8 7v9h-5.5v-6h-5v6H4z",
  star: "M12 4l2.5 5.2 5.7.7-4.2 3.9 1.1 5.6-5.1-2.8-5.1 2.8 1.1-5.6-4.2-3.9 5.7-.7z",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-4 3-6 6.5-6s6.5 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.3M18 14.5c2.2.8 3.5 2.6 3.5 5.5",
  gear: "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M18.4 5.6l-2.2 2.2M7.8 16.2l-2.2 2.2",
  folder: "M3.5 6.5h6l2 2.5h9v10h-17z",
  share: "M17 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM7 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM17 21a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9.3 10.8l5.4-4M9.3 13.2l5.4 4",
  rename: "M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19zM13.5 7l3.5 3.5",
  trash: "M5 7h14M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10 11v5M14 11v5",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.8v.01",
  bell: "M6 17V11a6 6 0 0 1 12 0v6l1.5 1.5h-15zM10.5 21h3",
  next: "M9.5 6l6 6-6 6",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3 2.5",
  pin: "M9 4h6l-1 6 3.5 3.5h-11L10 10zM12 13.5V20",
  check: "M5 12.5l4.5 4.5L19 7",
  doc: "M6 3.5h8l4 4V20.5H6zM14 3.5v4h4M9 12h6M9 15.5h6",
  pdf: "M6 3.5h8l4 4V20.5H6zM14 3.5v4h4M9 17c3-1 4.5-4 4.5-6.5-1.5 2.5 0 5 2.5 5.5",
  sheet: "M5 4.5h14v15H5zM5 9.5h14M5 14.5h14M11 4.5v15",
  slides: "M4 5h16v11H4zM12 16v4M8.5 20h7",
  zip: "M6 3.5h12v17H6zM12 3.5v2M12 7.5v2M12 11.5v2M10.5 15.5h3v2.5h-3z",
};

function icon(name, filled) {
  const fill = filled ? "currentColor" : "none";
  return `<svg class="icon" viewBox="0 0 24 24" fill="${fill}" aria-hidden="true"><path d="${PATHS[name]}"/></svg>`;
}

const SKIES = [
  ["#cfe8ff", "#ffe08a", "#7fb3a8", "#3f7f78"],
  ["#ffd9b0", "#f2784b", "#8a4f7d", "#4b3b6b"],
  ["#dff3e4", "#fff3b0", "#6aa36f", "#2f6b46"],
  ["#fbe3ea", "#f7a8b8", "#a3b18a", "#588157"],
  ["#1f2a44", "#f4e9c1", "#33456b", "#141c30"],
  ["#eaf4fb", "#ffffff", "#b9cfe0", "#7f9db9"],
  ["#ffe9c7", "#ff9f45", "#d9a066", "#9c6b3f"],
];

/** A flat landscape: sky, sun, two ranges of hills. */
function picture(index) {
  const [sky, sun, far, near] = SKIES[index % SKIES.length];
  const x = 12 + ((index * 17) % 36);
  const y = 12 + ((index * 7) % 10);
  const ridge = 26 + ((index * 5) % 8);
  return (
    `<svg class="picture" viewBox="0 0 60 45" preserveAspectRatio="xMidYMid slice" aria-hidden="true">` +
    `<rect width="60" height="45" fill="${sky}"/><circle cx="${x}" cy="${y}" r="5" fill="${sun}"/>` +
    `<path d="M0 ${ridge}L14 ${ridge - 8}L27 ${ridge + 1}L43 ${ridge - 10}L60 ${ridge}V45H0z" fill="${far}"/>` +
    `<path d="M0 38L18 30L36 39L50 32L60 36V45H0z" fill="${near}"/></svg>`
  );
}
