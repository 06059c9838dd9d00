/* api.js - talking to the server: JSON calls, streamed answers, the key. */
import {ask, h, recall, remember} from './dom.js';

/* What the server, or the way to it, says against a request. status 0: it was not reached. */
export class Problem extends Error {
    constructor(status, message, body) {
        super(message);
        this.status = status;
        this.body = body;
    }
}

export const BROKEN = 'The answer broke off: the connection was lost.';

let key = recall('key') || '';
let asking = null;

/* Asks for the server's key, once for all requests that wait for it. */
function askKey() {
    asking = asking || ask({
        id: 'key-dialog',
        title: 'This server wants a key',
        fields: [h('label', {}, 'Key', h('input', {name: 'key', type: 'password', required: true, autocomplete: 'off'})),
            h('label', {class: 'check'}, h('input', {name: 'keep', type: 'checkbox'}), 'Keep it in this browser')],
        yes: 'Use it',
    }).then((values) => {
        asking = null;
        if (!values) return false;
        key = values.key.trim();
        remember('key', values.keep ? key : null);
        return true;
    });
    return asking;
}

async function problemOf(response) {
    const text = await response.text().catch(() => '');
    try {
        const body = JSON.parse(text);
        const message = body.error && (body.error.message || body.error);
        return new Problem(response.status, String(message || response.statusText), body);
    } catch {
        return new Problem(response.status, `${response.status} ${response.statusText}`);
    }
}

/* A response that is good; else throws a Problem (or an AbortError). */
export async function request(method, path, body, options = {}) {
    for (;;) {
        const used = key;
        const headers = {Accept: 'application/json'};
        if (body !== undefined) headers['Content-Type'] = 'application/json';
        if (used) headers.Authorization = 'Bearer ' + used;
        let response;
        try {
            response = await fetch(path, {
                method, headers, cache: 'no-store', redirect: 'error',
                body: body === undefined ? undefined : JSON.stringify(body), ...options,
            });
        } catch (error) {
            if (error.name === 'AbortError') throw error;
            throw new Problem(0, 'The server cannot be reached.');
        }
        if (response.ok) return response;
        const problem = await problemOf(response);
        if (response.status !== 401) throw problem;
        if (key === used && !await askKey()) throw problem;
    }
}

export async function call(method, path, body, options) {
    const response = await request(method, path, body, options);
    return response.status === 204 ? null : response.json();
}

/* The data of server-sent events, one after another; comments are passed over. */
export async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    try {
        for (;;) {
            const {done, value} = await reader.read().catch((error) => {
                throw error.name === 'AbortError' ? error : new Problem(0, BROKEN);
            });
            if (done) break;
            rest += value;
            const lines = rest.split('\n');
            rest = lines.pop();
            for (const line of lines)
                if (line.startsWith('data:')) yield line.slice(5).trim();
        }
    } finally {
        reader.cancel().catch(() => {});
    }
}
