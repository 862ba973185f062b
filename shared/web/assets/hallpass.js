// Everything here is a convenience: without it the pages work, with dates in UTC.
"use strict";

for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(at);
  if ("local" in time.dataset) time.textContent = local;
  else time.title = local;
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const token = document.getElementById(button.dataset.copy);
  const status = document.getElementById("copied");
  if (!token || !navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(token.textContent);
      button.textContent = "Copied";
      status.textContent = "";
    } catch {
      getSelection().selectAllChildren(token);
      status.textContent = "The browser does not allow it. The token is selected: copy it by hand.";
    }
  });
}

// The form for a new token: what cannot be chosen together is disabled, and the choice is summed up.
for (const form of document.querySelectorAll("form[data-make]")) {
  const summary = form.querySelector("#summary");
  const scopes = [...form.querySelectorAll("input[name=scope]")];
  const show = () => {
    const chosen = new FormData(form);
    const all = chosen.get("limit") === "all";
    for (const scope of scopes) {
      if (all) scope.checked = false;
      scope.disabled = all;
    }
    const custom = chosen.get("until") === "custom";
    form.querySelector(".custom").hidden = !custom;
    // A disabled field is not validated, so that it cannot hold back the form unseen.
    form.elements.expires.disabled = !custom;
    form.elements.expires.required = custom;
    const names = scopes.filter((scope) => scope.checked).map((scope) => scope.value);
    const day = custom ? form.elements.expires.value : chosen.get("until");
    summary.hidden = !day || (!all && names.length === 0);
    const permissions = all ? "all permissions, now and later" : names.join(", ");
    summary.textContent = `The token has ${permissions}. It expires at the end of ${day} in UTC.`;
  };
  form.addEventListener("input", show);
  show();
}
