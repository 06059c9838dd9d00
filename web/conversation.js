/* conversation.js - conversations as trees of messages, kept on the server.
 *
 * A message never changes once it is done: an edit or a retry is a new message beside the old
 * one, so that two tabs cannot undo each other's work. Writes go to the server in order; those
 * that it did not acknowledge wait in the browser's storage, also across a reload. */
import {call, Problem} from './api.js';
import {newId, recall, remember} from './dom.js';

const ROOT = 'glass/conversations';
const channel = 'BroadcastChannel' in self ? new BroadcastChannel('glass') : null;

/* ---- writes that wait ---- */

let waiting = recall('outbox', []); /* [{method, path, body}] */
let running = null;
let onTrouble = () => {}, onSaved = () => {};

/* trouble(problem or null): told when saving fails, and when it works again. */
export function watchSaving(trouble, saved) {
    onTrouble = trouble;
    onSaved = saved;
    if (channel) channel.onmessage = (event) => saved(event.data, true);
}

/* Without the tokens, which are large and only nice to have, if storage is short. */
function keepWaiting() {
    if (remember('outbox', waiting.length ? waiting : null)) return;
    remember('outbox', waiting.map((w) => ({...w, body: {...w.body, tokens: undefined}})));
}

function write(method, path, body) {
    /* A later state of the same message stands for an earlier one that was not sent yet. */
    const last = waiting[waiting.length - 1];
    if (last && waiting.length > (running ? 1 : 0) && last.path === path && method === 'PUT' && path.includes('/messages/'))
        last.body = body;
    else waiting.push({method, path, body});
    keepWaiting();
    return flush();
}

/* Sends what waits; resolves when nothing does, or when it must wait longer. */
export function flush() {
    running = running || send().finally(() => { running = null; });
    return running;
}

async function send() {
    while (waiting.length) {
        const {method, path, body} = waiting[0];
        try {
            await call(method, path, body);
            onTrouble(null);
        } catch (error) {
            if (error instanceof Problem && (error.status === 0 || error.status === 401 || error.status >= 500 || error.status === 429)) {
                onTrouble(error);
                setTimeout(flush, 3000);
                return;
            }
            onTrouble(error, true); /* it will never be taken */
        }
        waiting.shift();
        keepWaiting();
        const id = path.split('/')[2];
        if (id) changed(id);
    }
}

function changed(id) {
    if (channel) channel.postMessage(id);
    onSaved(id, false);
}

export const unsaved = () => waiting.length;

/* ---- the list ---- */

export function list(query, before) {
    const q = new URLSearchParams({limit: '50'});
    if (query) q.set('q', query);
    if (before) q.set('before', before);
    return call('GET', `${ROOT}?${q}`);
}

export async function remove(id) {
    waiting = waiting.filter((w) => !w.path.startsWith(`${ROOT}/${id}`) || w === waiting[0]);
    keepWaiting();
    await call('DELETE', `${ROOT}/${id}`);
    changed(id);
}

/* ---- one ---- */

export class Conversation {
    constructor(data) {
        this.id = data ? data.id : newId();
        this.version = data ? data.version : 0; /* 0: the server does not know it yet */
        this.title = data ? data.title : '';
        this.model = data ? data.model : '';
        this.settings = data ? data.settings : recall('settings', {});
        this.leaf = data ? data.leaf : null;
        this.messages = new Map((data ? data.messages : []).map((m) => [m.id, m]));
        this.created = data ? data.created : Date.now() / 1000;
        this.taken = new Map(); /* parent id -> the child that was shown last */
        this.mark();
    }

    mark() {
        for (const m of this.path()) this.taken.set(m.parent, m.id);
    }

    static async open(id) {
        await flush();
        return new Conversation(await call('GET', `${ROOT}/${id}`));
    }

    /* Takes over what another tab saved, but for what is being written here. */
    async refresh(busy) {
        const data = await call('GET', `${ROOT}/${this.id}`);
        for (const m of data.messages)
            if (m.id !== busy && !(this.messages.get(m.id) || {}).tokens) this.messages.set(m.id, m);
        Object.assign(this, {version: data.version, title: data.title, model: data.model, settings: data.settings});
        if (!this.messages.has(this.leaf)) this.leaf = data.leaf;
    }

    children(parent) {
        return [...this.messages.values()].filter((m) => m.parent === parent);
    }

    /* The messages on the way to one, oldest first. */
    path(leaf = this.leaf) {
        const out = [];
        for (let m = this.messages.get(leaf); m; m = this.messages.get(m.parent)) out.unshift(m);
        return out;
    }

    /* The end of the branch that begins with a message: the one shown last, or the newest. */
    deepest(id) {
        for (;;) {
            const next = this.children(id);
            if (!next.length) return id;
            id = next.some((m) => m.id === this.taken.get(id)) ? this.taken.get(id) : next[next.length - 1].id;
        }
    }

    show(leaf) {
        this.leaf = leaf;
        this.mark();
        if (this.version) write('PUT', `${ROOT}/${this.id}`, {leaf});
    }

    /* A message at the end of `parent`, shown and (when it is done, or save is called) kept. */
    add(message) {
        const m = {id: newId(), version: 0, created: Date.now() / 1000, state: 'done', ...message};
        if (!this.version) this.create(m);
        this.messages.set(m.id, m);
        this.leaf = m.id;
        this.mark();
        if (m.state === 'done') this.save(m);
        return m;
    }

    create(first) {
        const line = first.content.trim().split('\n')[0];
        this.title = this.title || (line.length > 60 ? line.slice(0, 57).replace(/\s+\S*$/, '') + '…' : line) || 'Conversation';
        this.version = 1;
        write('POST', ROOT, {id: this.id, title: this.title, model: this.model, settings: this.settings});
    }

    /* The states of a message are numbered, so that an older one never replaces a newer. */
    record(m) {
        m.version++;
        const {id, feedback, n_tokens, ...body} = m; // eslint-disable-line no-unused-vars
        return {...body, leaf: this.leaf === m.id};
    }

    save(m) {
        if (m.tokens) m.n_tokens = m.tokens.length;
        return write('PUT', `${ROOT}/${this.id}/messages/${m.id}`, this.record(m));
    }

    /* When the page goes away: what was written so far, without waiting. */
    saveNow(m) {
        const {tokens, ...body} = this.record(m); // eslint-disable-line no-unused-vars
        call('PUT', `${ROOT}/${this.id}/messages/${m.id}`, body, {keepalive: true}).catch(() => {});
    }

    async tokens(m) {
        if (!m.tokens && m.n_tokens) m.tokens = (await call('GET', `${ROOT}/${this.id}/messages/${m.id}/tokens`)).tokens;
        return m.tokens || [];
    }

    /* Title, model or settings. If another tab changed them meanwhile, its state is taken over
     * and a Problem with status 409 thrown. */
    async update(change) {
        if (!this.version) { Object.assign(this, change); return; }
        await flush();
        try {
            const done = await call('PUT', `${ROOT}/${this.id}`, {...change, version: this.version});
            Object.assign(this, change, {version: done.version});
            changed(this.id);
        } catch (error) {
            if (error.status === 409 && error.body.current) Object.assign(this, error.body.current);
            throw error;
        }
    }

    asJson() {
        const messages = [...this.messages.values()].map(({version, ...m}) => m); // eslint-disable-line no-unused-vars
        return JSON.stringify({format: 'glass-conversation-1', id: this.id, title: this.title, model: this.model,
            settings: this.settings, created: this.created, leaf: this.leaf, messages}, null, 1) + '\n';
    }

    asMarkdown() {
        return `# ${this.title}\n\n` + (this.settings.system ? `> ${this.settings.system.replace(/\n/g, '\n> ')}\n\n` : '') +
            this.path().map((m) => `**${m.role === 'user' ? 'You' : m.model || 'Answer'}:**\n\n${m.content}\n`).join('\n');
    }
}
