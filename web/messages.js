/* messages.js - the messages of a branch on the page, and what can be done with each. */
import {by, copy, h} from './dom.js';
import {show} from './markdown.js';
import {TokenStrip} from './tokens.js';

const shown = new Map(); /* message id -> its part of the page */
let act = {}, conversation = null, glass = false, editing = null;
let pending = new Set(), sticky = true;

/* actions: what app.js does for the buttons. */
export function startMessages(actions) {
    act = actions;
    const section = by('messages');
    section.addEventListener('scroll', () => {
        sticky = section.scrollHeight - section.scrollTop - section.clientHeight < 60;
    });
}

export function setGlass(on) {
    glass = on;
    for (const part of shown.values()) if (part.message.role !== 'user') part.setView(on);
}

function toEnd() {
    const section = by('messages');
    if (sticky) section.scrollTop = section.scrollHeight;
}

export function scrollToEnd() {
    sticky = true;
    toEnd();
}

/* Shows the branch; busy: the ids of messages that are being written. */
export function showMessages(c, busy = new Set()) {
    if (conversation !== c) {
        for (const part of shown.values()) part.element.remove();
        shown.clear();
        conversation = c;
        editing = null;
        sticky = true;
    }
    const section = by('messages'), path = c.path(), wanted = new Set(path.map((m) => m.id));
    for (const [id, part] of shown) if (!wanted.has(id)) { part.element.remove(); shown.delete(id); }
    section.classList.toggle('empty', path.length === 0);
    let at = section.firstElementChild;
    for (const m of path) {
        let part = shown.get(m.id);
        if (!part) shown.set(m.id, part = new Part(m));
        part.message = m;
        part.refresh(busy.has(m.id), m === path[path.length - 1]);
        if (part.element === at) at = at.nextElementSibling;
        else section.insertBefore(part.element, at);
    }
    toEnd();
}

/* A message grew: it is drawn with the next frame. */
export function grew(m) {
    if (!pending.size) requestAnimationFrame(draw);
    pending.add(m.id);
}

function draw() {
    for (const id of pending) { const part = shown.get(id); if (part) part.draw(); }
    pending = new Set();
    toEnd();
}

export function focusMessage(id, selector) {
    const part = shown.get(id), target = part && part.element.querySelector(selector);
    if (target) target.focus();
}

const button = (label, action, more = {}) => h('button', {type: 'button', class: 'small', onclick: action, ...more}, label);

class Part {
    constructor(m) {
        this.message = m;
        this.glass = glass && m.role !== 'user';
        this.body = h('div', {class: 'body', dir: 'auto'});
        this.meta = h('p', {class: 'note meta'});
        this.tools = h('div', {class: 'tools', role: 'group'});
        this.name = h('h2', {class: 'sr'});
        this.element = h('article', {class: `message ${m.role}`, 'data-id': m.id}, this.name, this.body, this.meta, this.tools);
    }

    refresh(busy, last) {
        const m = this.message, others = conversation.children(m.parent);
        /* Of a long conversation, only what changed is drawn. */
        const state = JSON.stringify([busy, last, m.version, m.state, m.content.length, m.n_tokens, m.model, m.error,
            (m.feedback || []).map((f) => [f.kind, f.rating]), others.length, others.indexOf(m)]);
        if (state === this.state && !busy) return;
        this.state = state;
        this.busy = busy;
        this.last = last;
        this.element.classList.toggle('busy', busy);
        this.element.setAttribute('aria-busy', busy);
        this.name.textContent = m.role === 'user' ? 'You' : m.role === 'assistant' ? `Answer${m.model ? ' of ' + m.model : ''}` : m.role;
        if (editing !== m.id) this.draw();
        this.drawMeta();
        this.drawTools();
    }

    draw() {
        const m = this.message;
        if (m.role === 'user') {
            this.body.textContent = m.content;
        } else if (this.glass && (m.tokens || m.n_tokens)) {
            if (!m.tokens) { act.loadTokens(m).then(() => this.draw()); return; }
            if (!this.strip) this.strip = new TokenStrip(this.body, (index) => act.pick(m, index));
            this.strip.show(m.tokens);
        } else {
            if (this.strip) { this.strip = null; this.body.replaceChildren(); this.body.glassBlocks = null; }
            show(this.body, m.content);
            if (this.busy && m.content === '') this.body.replaceChildren(h('p', {class: 'waiting'}, '●'));
            else if (this.body.querySelector('.waiting')) { this.body.glassBlocks = null; this.body.replaceChildren(); show(this.body, m.content); }
        }
    }

    setView(on) {
        this.glass = on;
        this.strip = null;
        this.body.replaceChildren();
        this.body.glassBlocks = null;
        this.draw();
        this.drawTools();
    }

    drawMeta() {
        const m = this.message, words = [];
        if (!this.busy && m.state === 'partial') words.push('Interrupted.');
        if (m.state === 'stopped') words.push('Stopped.');
        if (m.state === 'length') words.push('Cut off: the limit of tokens was reached.');
        if (m.state === 'error') words.push('Failed' + (m.error ? ': ' + m.error : '.'));
        if (m.corrects) words.push('Corrected by a person.');
        if (m.role === 'assistant' && m.model && !m.corrects) words.push(m.model);
        if (m.usage && m.usage.completion_tokens) words.push(`${m.usage.completion_tokens} tokens` + (m.seconds > 0 ? `, ${(m.usage.completion_tokens / m.seconds).toFixed(1)} a second` : ''));
        if (m.seed !== undefined && m.seed !== null) words.push(`seed ${m.seed}`);
        this.meta.textContent = words.join(' · ').replace(/\. · /g, '. ');
        this.meta.classList.toggle('bad', m.state === 'error');
        this.meta.hidden = !words.length;
    }

    drawTools() {
        const m = this.message, focused = this.tools.contains(document.activeElement) && document.activeElement.textContent;
        const all = [...this.branches()];
        if (!this.busy) {
            const copyButton = button('Copy', () => copy(m.content, copyButton));
            all.push(copyButton);
            if (m.role === 'user') all.push(button('Edit', () => this.edit(), {'data-do': 'edit'}));
            else all.push(...this.answerTools());
        }
        this.tools.setAttribute('aria-label', m.role === 'user' ? 'Your message' : 'This answer');
        this.tools.replaceChildren(...all);
        if (focused) { const same = [...this.tools.children].find((b) => b.textContent === focused); if (same) same.focus(); }
    }

    branches() {
        const m = this.message, all = conversation.children(m.parent), at = all.findIndex((s) => s.id === m.id);
        if (all.length < 2) return [];
        const to = (i, selector) => { act.showBranch(all[i].id); focusMessage(all[i].id, selector); };
        return [h('span', {class: 'branches', role: 'group', 'aria-label': `Version ${at + 1} of ${all.length}`},
            button('‹', () => to(at - 1, '[data-do=before]'), {'data-do': 'before', 'aria-label': 'Version before', disabled: at === 0}),
            h('span', {}, `${at + 1}/${all.length}`),
            button('›', () => to(at + 1, '[data-do=after]'), {'data-do': 'after', 'aria-label': 'Next version', disabled: at === all.length - 1}))];
    }

    answerTools() {
        const m = this.message, given = (kind, rating) => (m.feedback || []).some((f) => f.kind === kind && (rating === undefined || f.rating === rating));
        const out = [button('Retry', () => act.retry(m), {'data-do': 'retry'})];
        if (m.content && ['partial', 'stopped', 'length', 'error'].includes(m.state)) out.push(button('Continue', () => act.goOn(m), {'data-do': 'continue'}));
        if (m.tokens || m.n_tokens) out.push(button('Glass', () => this.setView(!this.glass), {'data-do': 'glass', 'aria-pressed': this.glass}));
        if (m.content) {
            out.push(
                button('Good', () => act.rate(m, 1), {'data-do': 'good', title: 'A good answer', 'aria-pressed': given('rating', 1)}),
                button('Bad', () => act.rate(m, -1), {'data-do': 'bad', title: 'A bad answer', 'aria-pressed': given('rating', -1)}),
                button('Correct', () => act.correct(m), {'data-do': 'correct', 'aria-pressed': given('correction') || undefined}),
                button('Compare', () => act.compare(m), {'data-do': 'compare', title: 'Two new answers side by side'}));
            if (act.hasTrace()) out.push(button('Sources', () => act.sources(m), {'data-do': 'sources', title: 'Where its words stand in what the model learnt from'}));
        }
        return out;
    }

    edit() {
        const m = this.message;
        editing = m.id;
        const done = () => { editing = null; this.body.replaceChildren(); this.draw(); this.tools.hidden = false; focusMessage(m.id, '[data-do=edit]'); };
        const area = h('textarea', {'aria-label': 'Your message', dir: 'auto', value: m.content, rows: Math.min(12, m.content.split('\n').length + 1)});
        const form = h('form', {class: 'edit', onsubmit: (event) => {
            event.preventDefault();
            if (area.value.trim() === '') return;
            done();
            act.edit(m, area.value);
        }}, area, h('div', {class: 'buttons'}, h('button', {type: 'button', onclick: done}, 'Cancel'), h('button', {class: 'primary'}, 'Send')));
        area.addEventListener('keydown', (event) => {
            if (event.key === 'Escape') { done(); event.stopPropagation(); event.preventDefault(); }
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { form.requestSubmit(); event.preventDefault(); }
        });
        this.body.replaceChildren(form);
        this.tools.hidden = true;
        area.focus();
        area.setSelectionRange(area.value.length, area.value.length);
    }
}
