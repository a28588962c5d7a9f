// The link that the server prints carries the token behind the #, which browsers keep to themselves.
"use strict";
(() => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  // A token that was refused is not sent again.
  if (document.getElementById("wrong")) return;
  document.getElementById("token").value = token;
  document.getElementById("login").requestSubmit();
})();
