/* inside.js - what a model made of a text inside: its layers' predictions and its attention. */
import {call} from './api.js';
import {h} from './dom.js';
import {bar, percent, visible} from './tokens.js';

/* Elements that show, for the token at `at` of an answer, what each layer would have said and
 * what the token before it looked at. messages: what the answer answers. */
export async function insideOf(conversation, messages, tokens, at) {
    const all = conversation.settings.system ? [{role: 'system', content: conversation.settings.system}, ...messages] : messages;
    const r = await call('POST', 'inspect', {model: conversation.model || undefined, messages: all,
        prefill_ids: tokens.slice(0, at).map((t) => t.i), token: tokens[at].i, top: 3});
    return [layers(r.layers || []), attention(r.attention)].filter(Boolean);
}

function layers(list) {
    return h('table', {class: 'layers'}, h('caption', {}, 'What each layer would have said here'),
        h('thead', {}, h('tr', {}, ['Layer', 'Likeliest', '', 'This token'].map((t) => h('th', {scope: 'col'}, t)))),
        h('tbody', {}, list.map((l) => h('tr', {}, h('th', {scope: 'row'}, String(l.layer)),
            h('td', {}, h('code', {}, visible(l.top[0].token))), h('td', {}, bar(Math.exp(l.top[0].logprob))),
            h('td', {class: 'right'}, l.logprob === undefined || l.logprob === null ? '' : percent(l.logprob))))));
}

function attention(a) {
    if (!a || !a.tokens) return null;
    const most = Math.max(...a.weights, 1e-9);
    const heat = (w) => 'a' + Math.min(5, Math.round(5 * Math.sqrt(w / most)));
    return h('section', {}, h('h3', {}, 'What it looked at'),
        h('p', {class: 'tokens strip'}, a.tokens.map((t, i) => h('span', {class: 'token ' + heat(a.weights[i]), title: (100 * a.weights[i]).toFixed(1) + ' %'}, t))),
        h('p', {class: 'note'}, 'Mean of all heads and layers; darker is more.'));
}
