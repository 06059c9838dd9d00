/* inside.js - what a model made of a text inside: its layers' predictions and its attention. */
import {call} from './api.js';
import {h} from './dom.js';
import {bar, percent, visible} from './tokens.js';

const SHOWN = 600; /* tokens of a strip: those before are summed up */

/* Elements that show, for the token at `at` of an answer, what each layer would have said and
 * what the token before it looked at. messages: what the answer answers. */
export async function insideOf(conversation, messages, tokens, at) {
    const body = {model: conversation.model || undefined, top: 3, token: tokens[at].i, prefill_ids: tokens.slice(0, at).map((t) => t.i),
        messages: conversation.settings.system ? [{role: 'system', content: conversation.settings.system}, ...messages] : messages};
    if (![tokens[at].i, ...body.prefill_ids].every(Number.isInteger)) throw new Error('These tokens came from a server that gave no ids: retry, and look again.');
    const r = await call('POST', 'inspect', {...body, what: ['layers', 'attention']});
    const ask = async (layer) => (await call('POST', 'inspect', {...body, what: ['attention'], layer})).attention;
    return [layers(r.layers.predictions), attention(r.attention, ask)];
}

function layers(list) {
    return h('table', {class: 'layers'}, h('caption', {}, 'What each layer would have said here, were it the last one'),
        h('thead', {}, h('tr', {}, ['Layer', 'Likeliest', 'Its share', 'This token', 'Rank'].map((t) => h('th', {scope: 'col'}, t)))),
        h('tbody', {}, list.map((l) => h('tr', {class: l.rank === 1 ? 'chosen' : undefined}, h('th', {scope: 'row'}, String(l.layer)),
            h('td', {title: l.top.map((t) => `${visible(t.text)} ${percent(t.logprob)}`).join(', ')}, h('code', {}, visible(l.top[0].text))),
            h('td', {}, bar(Math.exp(l.top[0].logprob)), h('span', {class: 'sr'}, percent(l.top[0].logprob))),
            h('td', {class: 'right'}, percent(l.logprob)), h('td', {class: 'right'}, String(l.rank))))));
}

/* The tokens, darker the more of the attention each got; and the first few in words. */
function strip(tokens, weights) {
    const first = Math.max(0, tokens.length - SHOWN), most = Math.max(...weights.slice(first), 1e-9);
    const heat = (w) => 'a' + Math.min(5, Math.round(5 * Math.sqrt(w / most)));
    const share = (w) => `${(100 * w).toFixed(1)} %`;
    const before = weights.slice(0, first).reduce((a, b) => a + b, 0);
    const top = weights.map((w, i) => [w, i]).sort((a, b) => b[0] - a[0]).slice(0, 5);
    return [h('p', {class: 'tokens strip'}, first ? h('span', {class: 'note'}, `(${first} tokens before: ${share(before)}) `) : null,
        tokens.slice(first).map((t, i) => h('span', {class: 'token ' + heat(weights[first + i]), title: share(weights[first + i])}, t))),
    h('p', {class: 'note'}, 'Most: ', top.map(([w, i], n) => [n ? ', ' : '', h('code', {}, visible(tokens[i])), ` ${share(w)}`]).flat(), '.')];
}

function choice(label, words, onchange) {
    const select = h('select', {'aria-label': label, onchange: () => onchange(select.selectedIndex - 1)}, words.map((w) => h('option', {}, w)));
    return select;
}

function attention(a, ask) {
    const box = h('div'), heads = h('span'), numbers = (n, word) => Array.from({length: n}, (_, i) => `${word} ${i}`);
    const draw = (weights) => box.replaceChildren(...strip(a.tokens, weights));
    const byLayer = choice('Layer', ['all layers', ...numbers(a.layers, 'layer')], async (layer) => {
        draw(layer < 0 ? a.mean : a.by_layer[layer]);
        heads.replaceChildren();
        if (layer < 0) return;
        let one = null; /* asked for when a head is chosen */
        heads.replaceChildren(choice('Head', ['all heads', ...numbers(a.heads, 'head')], async (head) => {
            if (head < 0) { draw(a.by_layer[layer]); return; }
            try {
                one = one || await ask(layer);
                draw(one.by_head[head]);
            } catch (error) {
                box.replaceChildren(h('p', {class: 'note bad', role: 'alert'}, error.message));
            }
        }));
    });
    draw(a.mean);
    return h('section', {}, h('h3', {}, 'What it looked at'), h('p', {class: 'buttons'}, byLayer, heads), box,
        h('p', {class: 'note'}, 'Darker is more. The first token takes what no other gets.'));
}
