/* tokens.js - the glass view: how likely each token was, what else could have stood there, and
 * what the model made of it inside. */
import {call} from './api.js';
import {by, h} from './dom.js';

const STEPS = [0.05, 0.2, 0.4, 0.6, 0.8]; /* classes p0 … p5 of style.css */
export const classOf = (lp) => 'p' + STEPS.filter((s) => Math.exp(lp) >= s).length;
export const percent = (lp) => {
    const p = 100 * Math.exp(lp);
    return p >= 99.95 ? '100 %' : p >= 10 ? p.toFixed(1) + ' %' : p >= 0.01 ? p.toPrecision(2) + ' %' : '< 0.01 %';
};
/* A token's text so that its blanks are seen. */
export const visible = (t) => (t === '' ? '∅' : t.replace(/ /g, '␣').replace(/\n/g, '⏎').replace(/\t/g, '⇥'));

/* The tokens of an answer, one after another. One of them can be reached by Tab; arrows move,
 * Enter shows its alternatives. */
export class TokenStrip {
    constructor(container, pick) {
        this.pick = pick;
        this.n = 0;
        const sign = (name, text) => [h('span', {class: 'token ' + name}, text), ' '];
        const legend = h('p', {class: 'note legend', dir: 'ltr'}, 'How likely each token was: ', sign('p0', 'under 5 %'), sign('p1', '20 %'), sign('p2', '40 %'), sign('p3', '60 %'),
            sign('p4', '80 %'), sign('p5', 'above'), '· choose one to see what else could have stood there.');
        this.box = h('div', {class: 'tokens', role: 'listbox', 'aria-label': 'Tokens of the answer: arrow keys move, Enter shows alternatives', 'aria-orientation': 'horizontal'});
        container.replaceChildren(legend, this.box);
        this.box.addEventListener('click', (event) => {
            const span = event.target.closest('[data-i]');
            if (span) this.choose(span);
        });
        this.box.addEventListener('keydown', (event) => this.key(event));
    }

    show(tokens) {
        for (; this.n < tokens.length; this.n++) {
            const token = tokens[this.n], forced = token.p === null || token.p <= -99;
            const text = token.t.replace(/\n/g, '⏎\n');
            this.box.append(h('span', {
                role: 'option', 'data-i': this.n, tabindex: this.n === 0 ? '0' : '-1', 'aria-selected': 'false',
                class: 'token ' + (forced ? '' : classOf(token.p)) + (token.forced ? ' forced' : ''),
                'aria-label': `${visible(token.t)}, ${forced ? 'given' : percent(token.p)}`,
                title: forced ? 'given' : percent(token.p),
            }, text === '' ? '∅' : text));
        }
    }

    choose(span) {
        for (const old of this.box.querySelectorAll('[tabindex="0"]')) { old.tabIndex = -1; old.setAttribute('aria-selected', 'false'); }
        span.tabIndex = 0;
        span.setAttribute('aria-selected', 'true');
        span.focus();
        this.pick(Number(span.dataset.i));
    }

    key(event) {
        const at = event.target.closest('[data-i]');
        if (!at) return;
        const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10}[event.key];
        if (step || event.key === 'Home' || event.key === 'End') {
            const i = event.key === 'Home' ? 0 : event.key === 'End' ? this.n - 1 : Math.max(0, Math.min(this.n - 1, Number(at.dataset.i) + step));
            at.tabIndex = -1;
            const next = this.box.children[i];
            next.tabIndex = 0;
            next.focus();
        } else if (event.key === 'Enter' || event.key === ' ') this.choose(at);
        else return;
        event.preventDefault();
    }
}

/* ---- the panel ---- */

export function openPanel(label, ...content) {
    const panel = by('panel'), before = document.activeElement;
    const close = () => { closePanel(); if (before && before.isConnected) before.focus(); };
    panel.setAttribute('aria-label', label);
    panel.replaceChildren(h('div', {class: 'bar'}, h('h2', {tabindex: '-1'}, label),
        h('button', {type: 'button', class: 'icon', 'aria-label': 'Close', onclick: close}, '✕')), ...content.flat().filter(Boolean));
    panel.hidden = false;
    panel.onkeydown = (event) => { if (event.key === 'Escape') { close(); event.stopPropagation(); } };
    document.body.classList.add('panelled');
    return panel;
}

export function closePanel() {
    by('panel').hidden = true;
    by('panel').replaceChildren();
    document.body.classList.remove('panelled');
    by('open-settings').setAttribute('aria-expanded', 'false');
}

export function bar(share) {
    const e = h('span', {class: 'share', 'aria-hidden': 'true'}, h('span'));
    e.firstChild.style.width = (100 * Math.max(0, Math.min(1, share))).toFixed(2) + '%';
    return e;
}

/* What there is to know of one token. take(alternative): go on from there. inside(index): a
 * promise of the layers' predictions and attention, or null if the server has none. */
export function showToken(tokens, index, {take, inside}) {
    const token = tokens[index];
    const chosen = {t: token.t, i: token.i, p: token.p, b: token.b};
    const list = [...(token.a || [])];
    if (!list.some((a) => a.i === token.i && a.t === token.t)) list.push(chosen);
    const rest = 1 - list.reduce((sum, a) => sum + Math.exp(a.p), 0);
    const row = (a) => {
        const is = a.i === token.i && a.t === token.t;
        return h('tr', {class: is ? 'chosen' : undefined},
            h('th', {scope: 'row'}, h('code', {}, visible(a.t))),
            h('td', {class: 'right'}, percent(a.p)),
            h('td', {}, bar(Math.exp(a.p))),
            h('td', {}, is ? 'chosen' : h('button', {type: 'button', class: 'small', 'aria-label': `Continue with ${visible(a.t)}`, onclick: () => take(a)}, 'Take')));
    };
    const move = (to) => { showToken(tokens, to, {take, inside}); by('panel').querySelector(to > index ? '[data-do=next]' : '[data-do=previous]').focus(); };
    const before = tokens.slice(Math.max(0, index - 6), index).map((t) => t.t).join('');
    openPanel('Token',
        h('p', {class: 'context', dir: 'auto'}, before, h('mark', {}, token.t === '' ? '∅' : token.t)),
        h('div', {class: 'buttons'},
            h('button', {type: 'button', class: 'small', 'data-do': 'previous', disabled: index === 0, onclick: () => move(index - 1)}, '‹ Previous'),
            h('span', {}, `${index + 1} of ${tokens.length}`),
            h('button', {type: 'button', class: 'small', 'data-do': 'next', disabled: index + 1 >= tokens.length, onclick: () => move(index + 1)}, 'Next ›')),
        h('table', {class: 'alternatives'},
            h('caption', {}, 'What the model held for likely here. Take one, and the answer goes on from there as a new version.'),
            h('thead', {class: 'sr'}, h('tr', {}, ['Token', 'Probability', 'Share', 'Choice'].map((t) => h('th', {scope: 'col'}, t)))),
            h('tbody', {}, list.map(row), rest > 0.0005 ? h('tr', {}, h('th', {scope: 'row'}, 'all others'), h('td', {class: 'right'}, percent(Math.log(rest))), h('td', {}, bar(rest)), h('td')) : null)),
        token.p <= -99 ? h('p', {class: 'note'}, 'This token was given, not drawn.') : null,
        inside ? insidePart(index, inside) : null);
}

function insidePart(index, inside) {
    const box = h('div', {class: 'inside'});
    const button = h('button', {type: 'button', onclick: async () => {
        button.disabled = true;
        box.replaceChildren(h('p', {class: 'note', role: 'status'}, 'The model reads it again …'));
        try {
            box.replaceChildren(...await inside(index));
        } catch (error) {
            box.replaceChildren(h('p', {class: 'note bad', role: 'alert'}, error.message));
        }
        button.disabled = false;
    }}, 'Look inside: layers and attention');
    return h('section', {}, button, box);
}

/* ---- documents ---- */

/* Which document a place is in, whose it is, and when the model read it. */
function origin(p) {
    const reads = p.reads || [], steps = [...new Set(reads.map((r) => r.step))], more = p.n_reads - reads.length;
    return [p.title || p.name || p.origin || `document ${p.document}`, p.author, p.license ? `licence ${p.license}` : 'licence not recorded',
        p.url, steps.length ? `read at step${steps.length > 1 ? 's' : ''} ${steps.slice(0, 5).join(', ')}${steps.length > 5 || more > 0 ? ' …' : ''}` : null].filter(Boolean).join(' · ');
}

/* Where the words of an answer stand in the texts that the model learnt from. */
export async function showSources(prompt, text) {
    openPanel('Sources', h('p', {class: 'note', role: 'status'}, 'Looking …'));
    const r = await call('POST', 'trace', {prompt, text});
    const spans = r.spans || [];
    openPanel('Sources',
        h('p', {class: 'note'}, spans.length ? `${spans.length} stretches of this answer stand word for word in the training texts, rarest first. A match is not a cause.`
            : 'No stretch of this answer stands in the training texts.'),
        spans.map((s) => h('section', {class: 'source'},
            h('h3', {}, `“${s.text}”`), h('p', {class: 'note'}, `${s.count} ${s.count === 1 ? 'place' : 'places'}`),
            h('ul', {}, (s.places || []).map((p) => h('li', {},
                h('p', {}, '… ', p.before, h('mark', {}, p.span || s.text), p.after, ' …'),
                h('p', {class: 'note'}, origin(p))))))));
}
