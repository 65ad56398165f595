// Browses the OpenAPI document of /rest/v1 and tries requests. Everything that comes from the server is shown as text, never as markup;
// keys are kept in this page's inputs and nowhere else.

const API = new URL("/rest/v1/", location.origin);
const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];
const at = (id) => document.getElementById(id);

/** An element with attributes and children; children that are no elements become text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

function headers(extra = {}) {
  const all = new Headers({ apikey: at("key").value, ...extra });
  if (at("token").value) all.set("Authorization", `Bearer ${at("token").value}`);
  if (at("profile").value) {
    all.set("Accept-Profile", at("profile").value);
    all.set("Content-Profile", at("profile").value);
  }
  return all;
}

/** What a local `$ref` stands for. */
function resolve(root, node) {
  for (let depth = 0; node && node.$ref && depth < 8; depth += 1) {
    node = node.$ref
      .slice(2)
      .split("/")
      .reduce((inner, key) => inner?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], root);
  }
  return node ?? {};
}

/** A short name of a schema. */
function kind(root, schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type;
  if (type === "array") return `array of ${kind(root, schema.items) || "anything"}`;
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return either.map((one) => kind(root, one)).join(" or ");
  return [type ?? "anything", schema.format, schema.enum && `one of ${schema.enum.join(", ")}`].filter(Boolean).join(", ");
}

/** A body to begin with: required properties, else all. */
function example(root, schema, depth = 0) {
  const found = resolve(root, schema);
  if (depth > 4) return null;
  const either = found.anyOf ?? found.oneOf;
  if (either) return example(root, either[0], depth + 1);
  if (found.enum) return found.enum[0];
  const type = Array.isArray(found.type) ? found.type[0] : found.type;
  switch (type) {
    case "object": {
      const keys = found.required?.length ? found.required : Object.keys(found.properties ?? {});
      return Object.fromEntries(keys.map((key) => [key, example(root, found.properties?.[key], depth + 1)]));
    }
    case "array":
      return [];
    case "integer":
    case "number":
      return 0;
    case "boolean":
      return false;
    case "string":
      return "";
    default:
      return null;
  }
}

function table(titles, rows) {
  if (!rows.length) return undefined;
  const cells = (name, texts) => element("tr", {}, ...texts.map((text) => element(name, {}, text ?? "")));
  return element("table", {}, element("thead", {}, cells("th", titles)), element("tbody", {}, ...rows.map((row) => cells("td", row))));
}

async function send(method, form, answer) {
  const query = form.elements.query.value.trim().replace(/^\?/, "");
  const target = new URL(`.${form.dataset.path}${query ? `?${query}` : ""}`, API);
  const extra = {};
  for (const line of form.elements.headers.value.split("\n")) {
    const cut = line.indexOf(":");
    if (cut > 0) extra[line.slice(0, cut).trim()] = line.slice(cut + 1).trim();
  }
  const body = form.elements.body?.value;
  if (body && !Object.keys(extra).some((name) => name.toLowerCase() === "content-type")) extra["Content-Type"] = "application/json";
  answer.replaceChildren("…");
  try {
    const response = await fetch(target, { method: method.toUpperCase(), headers: headers(extra), body: body || undefined });
    const said = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const text = await response.text();
    answer.replaceChildren(
      element("h3", {}, `${response.status} ${response.statusText}`),
      element("pre", {}, said),
      element("pre", {}, text || "(no body)"),
    );
  } catch (error) {
    answer.replaceChildren(element("p", {}, `The request was not answered: ${error.message}`));
  }
}

function show(root, path, method) {
  const operation = root.paths[path][method];
  const parameters = (operation.parameters ?? []).map((one) => resolve(root, one));
  const body = resolve(root, operation.requestBody);
  const media = Object.entries(body.content ?? {});
  const json = body.content?.["application/json"]?.schema;
  const answer = element("div");
  const form = element(
    "form",
    {
      "data-path": path,
      onsubmit: (event) => {
        event.preventDefault();
        send(method, form, answer);
      },
    },
    element("label", { class: "wide" }, "Query", element("input", { name: "query", spellcheck: "false", placeholder: "select=*&limit=10" })),
    element("label", { class: "wide" }, "Headers, one a line", element("textarea", { name: "headers", spellcheck: "false" })),
    media.length
      ? element(
          "label",
          { class: "wide" },
          "Body",
          element("textarea", { name: "body", spellcheck: "false" }, JSON.stringify(example(root, json), null, 2)),
        )
      : undefined,
    element("button", {}, `Send ${method.toUpperCase()}`),
  );
  const responses = Object.entries(operation.responses).map(([status, one]) => {
    const found = resolve(root, one);
    return [status, found.description, Object.keys(found.content ?? {}).join(", ")];
  });
  at("operation").replaceChildren(
    ...[
      element("h2", { class: "path" }, `${method.toUpperCase()} ${path}`),
      operation.summary && element("p", {}, operation.summary),
      operation.description && element("p", {}, operation.description),
      element("h3", {}, "Try it"),
      form,
      answer,
      element("h3", {}, "Parameters"),
      table(
        ["Name", "In", "Type", "Meaning"],
        parameters.map((one) => [one.required ? `${one.name} *` : one.name, one.in, kind(root, one.schema), one.description]),
      ) ?? element("p", {}, "None."),
      media.length ? element("h3", {}, "Body") : undefined,
      table(
        ["Type", "Schema"],
        media.map(([type, one]) => [type, kind(root, one.schema)]),
      ),
      table(
        ["Column", "Type", "Meaning"],
        Object.entries(resolve(root, json?.anyOf?.[0] ?? json).properties ?? {}).map(([name, one]) => [name, kind(root, one), one.description]),
      ),
      element("h3", {}, "Answers"),
      table(["Status", "Meaning", "Types"], responses),
    ].filter(Boolean),
  );
}

function list(root) {
  const entries = [];
  for (const [path, operations] of Object.entries(root.paths)) {
    for (const method of METHODS.filter((one) => operations[one])) {
      const entry = element(
        "button",
        {
          type: "button",
          onclick: () => {
            entries.forEach((other) => other.setAttribute("aria-current", String(other === entry)));
            show(root, path, method);
          },
        },
        element("span", { class: "method" }, method.toUpperCase()),
        element("span", { class: "path" }, path),
      );
      entries.push(entry);
    }
  }
  at("list").replaceChildren(...entries);
}

at("open").addEventListener("submit", async (event) => {
  event.preventDefault();
  const status = at("status");
  status.textContent = "…";
  try {
    const response = await fetch(API, { headers: headers({ Accept: "application/openapi+json;version=3.1" }) });
    const text = await response.text();
    if (!response.ok) {
      let told;
      try {
        const { message, hint } = JSON.parse(text);
        told = [message, hint].filter(Boolean).join(" ");
      } catch {
        told = text;
      }
      status.textContent = `${response.status}: ${told}`;
      return;
    }
    const root = JSON.parse(text);
    at("title").textContent = root.info.title;
    at("operation").replaceChildren();
    list(root);
    status.textContent = `${Object.keys(root.paths).length} paths for this key.`;
  } catch (error) {
    status.textContent = `The document cannot be read: ${error.message}`;
  }
});
