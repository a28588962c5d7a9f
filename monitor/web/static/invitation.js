// The link carries the token behind the #, which browsers keep to themselves.
"use strict";
(() => {
  const field = document.getElementById("token");
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname);
    field.value = token;
  }
  if (field.value) document.getElementById("code").hidden = true;
})();
