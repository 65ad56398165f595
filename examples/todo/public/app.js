// A page without libraries: it shows that the API is plain HTTP. An app would use supabase-js with the same URL and key.
const { url, key } = await (await fetch('/.well-known/basalt.json')).json();
const $ = (id) => document.getElementById(id);
// Each window keeps its own session, so that two windows can be two users.
let session = JSON.parse(sessionStorage.getItem('session') ?? 'null');

async function call(path, { method = 'GET', body, prefer } = {}) {
  const headers = { apikey: key, Authorization: `Bearer ${session?.access_token ?? key}`, 'Content-Type': 'application/json' };
  if (prefer) headers.Prefer = prefer;
  const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : null;
  if (response.status === 401 && session && !path.startsWith('/auth/')) return renew(path, { method, body, prefer });
  if (!response.ok) throw new Error(answer?.message ?? answer?.msg ?? `${response.status}`);
  return answer;
}

async function renew(path, request) {
  const { refresh_token } = session;
  keep(null);
  keep(await call('/auth/v1/token?grant_type=refresh_token', { method: 'POST', body: { refresh_token } }));
  return call(path, request);
}

function keep(next) {
  session = next;
  if (next) sessionStorage.setItem('session', JSON.stringify(next));
  else sessionStorage.removeItem('session');
}

function problem(text) {
  $('problem').hidden = !text;
  $('problem').textContent = text ?? '';
}

const guarded = (action) => async (event) => {
  event?.preventDefault();
  problem();
  try {
    await action(event);
  } catch (error) {
    problem(error.message);
  }
};

async function show() {
  $('sign-in').hidden = !!session;
  $('todos').hidden = !session;
  $('who').hidden = !session;
  if (!session) return;
  $('name').textContent = session.user.email;
  // No filter on the owner here: the policy gives each user their own rows.
  const todos = await call('/rest/v1/todos?select=id,title,done&order=created_at,id');
  $('empty').hidden = todos.length > 0;
  $('list').replaceChildren(...todos.map(row));
}

function row({ id, title, done }) {
  const item = document.createElement('li');
  const label = document.createElement('label');
  const box = Object.assign(document.createElement('input'), { type: 'checkbox', checked: done });
  const text = Object.assign(document.createElement('span'), { textContent: title, className: done ? 'done' : '' });
  const remove = Object.assign(document.createElement('button'), { textContent: 'Delete', className: 'quiet' });
  box.addEventListener('change', guarded(async () => {
    await call(`/rest/v1/todos?id=eq.${id}`, { method: 'PATCH', body: { done: box.checked } });
    await show();
  }));
  remove.addEventListener('click', guarded(async () => {
    await call(`/rest/v1/todos?id=eq.${id}`, { method: 'DELETE' });
    await show();
  }));
  label.append(box, text);
  item.append(label, remove);
  return item;
}

const credentials = () => Object.fromEntries(new FormData($('sign-in')));

$('sign-in').addEventListener('submit', guarded(async () => {
  keep(await call('/auth/v1/token?grant_type=password', { method: 'POST', body: credentials() }));
  await show();
}));
$('sign-up').addEventListener('click', guarded(async () => {
  if (!$('sign-in').reportValidity()) return;
  keep(await call('/auth/v1/signup', { method: 'POST', body: credentials() }));
  await show();
}));
$('sign-out').addEventListener('click', guarded(async () => {
  try {
    await call('/auth/v1/logout?scope=local', { method: 'POST' });
  } finally {
    keep(null);
    await show();
  }
}));
$('add').addEventListener('submit', guarded(async (event) => {
  const title = new FormData(event.target).get('title');
  await call('/rest/v1/todos', { method: 'POST', body: { title } });
  event.target.reset();
  await show();
}));

await guarded(show)();
