/* app.js - the page: which conversation is open, what is being written, and the keys. */
import {call, Problem} from './api.js';
import {answer, joined, randomSeed} from './answer.js';
import {Conversation, flush, unsaved, watchSaving} from './conversation.js';
import {announce, by, h, recall, remember} from './dom.js';
import * as feedback from './feedback.js';
import {markCurrent, rename, showList, startList} from './list.js';
import {focusMessage, grew, scrollToEnd, setGlass, showMessages, startMessages} from './messages.js';
import {applyTheme, loadInfo, openPreferences, openSettings, serverInfo} from './settings.js';
import {closePanel, showSources, showToken} from './tokens.js';
import {insideOf} from './inside.js';

let conversation = new Conversation();
let leaving = false;
let writing = null; /* {conversation, message, stop}: the answer that is coming */

/* ---- what is shown ---- */

let saveTrouble = null, note = null;

function banner() {
    const text = saveTrouble ? `${saveTrouble} Nothing is lost: ${unsaved()} change${unsaved() === 1 ? '' : 's'} wait in this browser and are saved as soon as that works.` : note;
    by('banner').hidden = !text;
    by('banner').replaceChildren(...(text ? [h('span', {}, text), saveTrouble ? null : h('button', {type: 'button', class: 'icon', 'aria-label': 'Dismiss', onclick: () => { note = null; banner(); by('input').focus(); }}, '✕')].filter(Boolean) : []));
}

function tell(error) {
    note = error instanceof Error ? error.message : error;
    banner();
}

function render() {
    const mine = writing && writing.conversation === conversation;
    showMessages(conversation, new Set(mine ? [writing.message.id] : []));
    by('title').textContent = conversation.title || 'New conversation';
    document.title = conversation.title ? conversation.title + ' – Glass' : 'Glass';
    by('send').hidden = Boolean(writing);
    by('stop').hidden = !writing;
    markCurrent(conversation.id);
    if (by('model').options.length && conversation.model) {
        if (![...by('model').options].some((o) => o.value === conversation.model))
            by('model').append(h('option', {value: conversation.model}, conversation.model + ' (not here)'));
        by('model').value = conversation.model;
    } else if (by('model').options.length) {
        by('model').selectedIndex = 0;
    }
}

async function open(id) {
    closePanel();
    by('app').classList.remove('side');
    if (writing && writing.conversation.id === id) conversation = writing.conversation;
    else if (id !== conversation.id) {
        try {
            conversation = id ? await Conversation.open(id) : new Conversation();
        } catch (error) {
            tell(error.status === 404 ? 'That conversation is not here any more.' : error);
            conversation = new Conversation();
            history.replaceState(null, '', '#/');
        }
    }
    by('input').value = recall('draft.' + draftKey(), '');
    grow();
    render();
}

const idOfAddress = () => (/^#\/c\/([0-9A-Za-z-]{1,64})$/.exec(location.hash) || [])[1];
const draftKey = () => (conversation.version ? conversation.id : 'new');

function openNew() {
    if (location.hash === '' || location.hash === '#/') open(null);
    else location.hash = '#/';
    conversation = new Conversation();
    by('input').value = recall('draft.new', '');
    render();
    by('input').focus();
}

function grow() {
    const input = by('input');
    input.style.height = 'auto';
    input.style.height = Math.min(input.scrollHeight + 2, innerHeight * 0.4) + 'px';
}

/* ---- answers ---- */

const wire = (path) => path.map(({role, content}) => ({role, content}));

/* Lets the model answer after `parent`. prefix: {text, tokens, whole} with which it begins. */
async function write(parent, prefix) {
    if (writing) return;
    const c = conversation, stop = new AbortController(), begun = performance.now();
    const seed = c.settings.seed === undefined ? randomSeed() : c.settings.seed;
    const m = c.add({parent, role: 'assistant', content: prefix ? prefix.text : '', tokens: prefix ? [...prefix.tokens] : [], model: c.model || by('model').value,
        seed, settings: c.settings, state: 'partial'});
    writing = {conversation: c, message: m, stop};
    const keeping = setInterval(() => { if (m.content !== '') c.save(m); }, 3000);
    scrollToEnd();
    render();
    announce('Writing an answer');
    try {
        const ids = prefix ? prefix.tokens.map((t) => t.i) : [], exact = ids.length > 0 && ids.every(Number.isInteger);
        const result = await answer({
            model: c.model, messages: wire(c.path(parent)), settings: c.settings, seed, signal: stop.signal,
            prefix: prefix && {text: prefix.text, ids: exact ? ids : undefined},
            on: {
                text: (t) => { m.content += t; grew(m); },
                tokens: (t) => { m.tokens.push(...t); grew(m); },
            },
        });
        /* The character that the given tokens ended within came as two halves. */
        if (exact && m.tokens.some((t) => t.b)) m.content = joined(m.tokens);
        Object.assign(m, {state: result.reason === 'length' ? 'length' : 'done', usage: result.usage, model: result.model || m.model});
    } catch (error) {
        if (leaving) return; /* the page goes away: what came so far is saved already */
        m.state = error.name === 'AbortError' ? 'stopped' : 'error';
        if (m.state === 'error') m.error = error.message;
    }
    clearInterval(keeping);
    m.seconds = Math.round(performance.now() - begun) / 1000;
    writing = null;
    c.save(m);
    render();
    announce(m.state === 'error' ? `The answer failed: ${m.error}` : `${m.state === 'stopped' ? 'Stopped. ' : ''}${m.content}`);
}

function sendMessage(text, parent) {
    if (!conversation.model) conversation.model = by('model').value;
    const fresh = !conversation.version;
    const m = conversation.add({parent, role: 'user', content: text});
    if (fresh) history.pushState(null, '', '#/c/' + conversation.id);
    return write(m.id);
}

function submit(event) {
    event.preventDefault();
    const input = by('input'), text = input.value.trim();
    if (text === '' || writing) return;
    remember('draft.' + draftKey(), null);
    input.value = '';
    grow();
    note = null;
    banner();
    sendMessage(text, conversation.leaf);
}

const actions = {
    loadTokens: (m) => conversation.tokens(m).catch((error) => { m.n_tokens = 0; tell(error); return []; }),
    showBranch: (id) => { conversation.show(conversation.deepest(id)); render(); },
    edit: (m, text) => sendMessage(text, m.parent),
    retry: (m) => write(m.parent).then(() => focusMessage(conversation.leaf, '[data-do=retry]')),
    goOn: async (m) => write(m.parent, {text: m.content, tokens: wholeTokens(m, await conversation.tokens(m))}),
    hasTrace: () => Boolean(serverInfo().features.trace),
    sources: (m) => showSources((conversation.messages.get(m.parent) || {}).content || '', m.content).catch(tell),
    rate: (m, rating) => feedback.rate(conversation, m, rating).then(render, tell),
    correct: (m) => feedback.correct(conversation, m).then((better) => { render(); if (better) focusMessage(better.id, '[data-do=correct]'); }, tell),
    compare: async (m) => {
        const done = await feedback.compare(conversation, m, wire(conversation.path(m.parent)));
        if (done && done.error) tell(done.error);
        render();
        if (done) focusMessage(done.chosen.id, '[data-do=compare]');
    },
    async pick(m, index) {
        const tokens = await conversation.tokens(m), c = conversation;
        showToken(tokens, index, {
            take: (alternative) => {
                const kept = [...tokens.slice(0, index), {...alternative, a: tokens[index].a, forced: true}];
                closePanel();
                write(m.parent, {text: joined(kept), tokens: kept});
            },
            inside: serverInfo().features.inspect ? (at) => insideOf(c, wire(c.path(m.parent)), tokens, at) : null,
        });
    },
};

/* The tokens, if they are the whole text; else none, and the text alone is given on. */
const wholeTokens = (m, tokens) => (joined(tokens) === m.content ? tokens : []);

/* ---- the keys and buttons ---- */

function toggleGlass() {
    const on = by('glass').getAttribute('aria-pressed') !== 'true';
    by('glass').setAttribute('aria-pressed', on);
    remember('glass', on);
    setGlass(on);
}

function toggleSettings() {
    if (by('open-settings').getAttribute('aria-expanded') === 'true') { closePanel(); return; }
    const c = conversation;
    openSettings(c, (values) => {
        c.update({settings: values}).catch((error) => {
            tell(error.status === 409 ? 'Another tab changed this conversation meanwhile; its settings are shown now.' : error);
            if (error.status === 409 && c === conversation) openSettings(c, () => {});
        });
    });
}

const narrow = () => matchMedia('(max-width: 44rem)').matches;

function side(isOpen) {
    by('app').classList.toggle('side', isOpen);
    by('side-open').setAttribute('aria-expanded', isOpen);
    (isOpen ? by('search') : by('side-open')).focus();
}

function key(event) {
    const modal = document.querySelector('dialog[open]');
    if (modal) return;
    const k = event.key.toLowerCase();
    if (event.key === 'Escape' && writing) writing.stop.abort();
    else if (event.key === 'Escape' && by('app').classList.contains('side')) side(false);
    else if (event.ctrlKey && event.shiftKey && k === 'o') openNew();
    else if (event.ctrlKey && !event.shiftKey && k === 'k') {
        if (narrow()) side(true);
        else by('search').focus();
    }
    else if (event.altKey && k === 'g') toggleGlass();
    else if (event.altKey && k === 's') toggleSettings();
    else return;
    event.preventDefault();
}

function listen() {
    by('composer').addEventListener('submit', submit);
    by('input').addEventListener('input', () => { grow(); remember('draft.' + draftKey(), by('input').value || null); });
    by('input').addEventListener('keydown', (event) => {
        if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) submit(event);
    });
    by('stop').addEventListener('click', () => { if (writing) writing.stop.abort(); by('input').focus(); });
    by('new').addEventListener('click', openNew);
    by('glass').addEventListener('click', toggleGlass);
    by('open-settings').addEventListener('click', toggleSettings);
    by('open-preferences').addEventListener('click', openPreferences);
    by('side-open').addEventListener('click', () => side(true));
    by('side-close').addEventListener('click', () => side(false));
    by('title').addEventListener('dblclick', () => { if (conversation.version) rename(conversation.id, conversation).then(render); });
    by('model').addEventListener('change', () => {
        const c = conversation;
        c.update({model: by('model').value}).catch((error) => { tell(error); render(); });
    });
    addEventListener('keydown', key);
    addEventListener('hashchange', () => open(idOfAddress()));
    addEventListener('online', flush);
    addEventListener('pagehide', () => {
        leaving = true;
        if (writing) writing.conversation.saveNow(writing.message);
    });
    addEventListener('pageshow', () => { leaving = false; });
}

async function loadModels() {
    const models = (await call('GET', 'v1/models')).data || [];
    by('model').replaceChildren(...models.map((m) => h('option', {value: m.id}, m.id)));
}

/* Until the server was reached: it may still be starting. */
async function begin() {
    try {
        await Promise.all([loadInfo(), loadModels()]);
        note = null;
        banner();
    } catch (error) {
        tell(error);
        if (error instanceof Problem && error.status !== 401) setTimeout(begin, 2000);
        return;
    }
    await Promise.all([open(idOfAddress()), showList()]);
    flush();
}

async function start() {
    applyTheme(document.documentElement.dataset.theme || null);
    startMessages(actions);
    listen();
    startList(tell, (id) => { if (id === conversation.id) openNew(); });
    watchSaving((problem, forever) => {
        if (forever) tell(`Something could not be saved: ${problem.message}`);
        saveTrouble = problem && !forever ? problem.message : null;
        banner();
    }, async (id, elsewhere) => {
        showList();
        if (!elsewhere || id !== conversation.id || !conversation.version) return;
        try {
            await conversation.refresh(writing && writing.message.id);
            render();
        } catch (error) { if (error.status === 404) openNew(); }
    });
    by('glass').setAttribute('aria-pressed', recall('glass', false));
    setGlass(recall('glass', false));
    by('input').focus();
    render();
    await begin();
    document.documentElement.dataset.ready = 'yes';
}

start();
