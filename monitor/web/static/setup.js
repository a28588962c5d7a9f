// The link carries the secret behind the #, which browsers keep to themselves.
"use strict";
(() => {
  const form = document.getElementById("setup");
  const take = () => {
    const secret = new URLSearchParams(location.hash.slice(1)).get("secret");
    if (!secret) return;
    history.replaceState(null, "", location.pathname);
    form.elements.secret.value = secret;
    // A wrong one is sent once: the answer has no # any more.
    form.submit();
  };
  addEventListener("hashchange", take);
  take();
})();
