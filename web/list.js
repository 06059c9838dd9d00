/* list.js - the conversations on the left: find, open, rename, export, delete. */
import {ask, by, h, menu, save} from './dom.js';
import {Conversation, list, remove} from './conversation.js';

let current = null, query = '', last = null, sequence = 0;
let tell = () => {}, left = () => {};

/* problem(error): shows what went wrong; gone(id): a conversation is no more. */
export function startList(problem, gone) {
    tell = problem;
    left = gone;
    let timer;
    by('search').addEventListener('input', (event) => {
        clearTimeout(timer);
        timer = setTimeout(() => { query = event.target.value.trim(); showList(); }, 120);
    });
    by('search').addEventListener('keydown', (event) => {
        if (event.key === 'ArrowDown') { const a = by('list').querySelector('a'); if (a) a.focus(); event.preventDefault(); }
    });
    by('list').addEventListener('keydown', (event) => {
        const links = [...by('list').querySelectorAll('a')], at = links.indexOf(document.activeElement);
        if (at < 0 || !['ArrowDown', 'ArrowUp'].includes(event.key)) return;
        const next = links[at + (event.key === 'ArrowDown' ? 1 : -1)];
        (next || by('search')).focus();
        event.preventDefault();
    });
}

export function markCurrent(id) {
    current = id;
    for (const a of by('list').querySelectorAll('a')) mark(a, a.dataset.id === id);
}

function mark(a, is) {
    if (is) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
}

function days(then) {
    const start = new Date();
    start.setHours(0, 0, 0, 0);
    const d = Math.ceil((start.getTime() / 1000 - then) / 86400);
    return d <= 0 ? 'Today' : d === 1 ? 'Yesterday' : d < 7 ? 'This week' : d < 31 ? 'This month' : 'Earlier';
}

export async function showList(more) {
    const turn = ++sequence;
    let page;
    try {
        page = await list(query, more ? last : undefined);
    } catch (error) { tell(error); return; }
    if (turn !== sequence) return; /* a later search was faster */
    const ul = by('list'), focused = document.activeElement && document.activeElement.dataset.id;
    if (!more) ul.replaceChildren();
    const button = ul.querySelector('.more');
    if (button) button.remove();
    let day = ul.dataset.day && more ? ul.dataset.day : '';
    for (const c of page.conversations) {
        if (days(c.updated) !== day) ul.append(h('li', {class: 'day'}, day = days(c.updated)));
        ul.append(entry(c));
        last = c.cursor;
    }
    ul.dataset.day = day;
    if (page.more) ul.append(h('li', {class: 'more'}, h('button', {type: 'button', onclick: () => showList(true)}, 'Show more')));
    by('list-note').textContent = page.conversations.length || more ? '' : query ? `Nothing has “${query}” in it.` : 'No conversations yet.';
    if (focused) { const a = ul.querySelector(`a[data-id="${focused}"]`); if (a) a.focus(); }
}

function entry(c) {
    const a = h('a', {href: `#/c/${c.id}`, 'data-id': c.id, title: c.title, dir: 'auto'}, c.title || 'Untitled');
    if (c.snippet) a.append(h('small', {}, c.snippet));
    mark(a, c.id === current);
    const more = h('button', {type: 'button', class: 'icon', 'aria-label': `Actions for ${c.title}`, 'aria-haspopup': 'menu', 'aria-expanded': 'false'}, '⋯');
    more.addEventListener('click', () => menu(more, [
        ['Rename', () => rename(c.id)],
        ['Export as Markdown', () => exportOne(c.id, 'md')],
        ['Export as JSON', () => exportOne(c.id, 'json')],
        ['Delete', () => erase(c)],
    ]));
    return h('li', {}, a, more);
}

export async function rename(id, open) {
    try {
        const c = open || await Conversation.open(id);
        const values = await ask({title: 'Rename', yes: 'Rename', fields: [
            h('label', {}, 'Title', h('input', {name: 'title', value: c.title, required: true, maxlength: '300', autocomplete: 'off'}))]});
        if (values && values.title.trim()) await c.update({title: values.title.trim()});
    } catch (error) { tell(error); }
}

async function exportOne(id, kind) {
    try {
        const c = await Conversation.open(id);
        const name = (c.title || 'conversation').replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 60) || 'conversation';
        if (kind === 'json') {
            for (const m of c.messages.values()) await c.tokens(m);
            save(name + '.json', 'application/json', c.asJson());
        } else save(name + '.md', 'text/markdown', c.asMarkdown());
    } catch (error) { tell(error); }
}

async function erase(c) {
    const sure = await ask({title: `Delete “${c.title}”?`, yes: 'Delete', danger: true, id: 'delete-dialog', fields: [
        h('p', {}, 'All its branches go, and the feedback that was given on its answers. It cannot be brought back.')]});
    if (!sure) return;
    try {
        await remove(c.id);
        left(c.id);
        await showList();
    } catch (error) { tell(error); }
}
