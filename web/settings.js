/* settings.js - the settings of a conversation, and the preferences of this browser. */
import {call, request} from './api.js';
import {announce, ask, by, h, recall, remember, save} from './dom.js';
import {openPanel} from './tokens.js';

/* name in the API, label, attributes of the field, help, whether it stands under "More" */
const FIELDS = [
    ['temperature', 'Temperature', {type: 'number', min: 0, max: 5, step: 0.05}, '0 always takes the likeliest token'],
    ['top_k', 'Top-k', {type: 'number', min: 0, step: 1}, 'the k likeliest tokens; 0 is off'],
    ['top_p', 'Top-p', {type: 'number', min: 0, max: 1, step: 0.01}, 'the likeliest that hold this much probability'],
    ['min_p', 'Min-p', {type: 'number', min: 0, max: 1, step: 0.01}, 'at least this share of the likeliest one'],
    ['max_tokens', 'Longest answer', {type: 'number', min: 1, step: 1}, 'in tokens; empty: until it ends'],
    ['seed', 'Seed', {type: 'number', min: 0, step: 1}, 'same seed, same answer; empty: a new one each time'],
    ['stop', 'Stop before', {rows: 2}, 'one text a line', true],
    ['typical_p', 'Typical', {type: 'number', min: 0, max: 1, step: 0.01}, '1 is off', true],
    ['repeat_penalty', 'Repeat penalty', {type: 'number', min: 0, max: 5, step: 0.05}, '1 is off', true],
    ['presence_penalty', 'Presence penalty', {type: 'number', min: -2, max: 2, step: 0.1}, '0 is off', true],
    ['frequency_penalty', 'Frequency penalty', {type: 'number', min: -2, max: 2, step: 0.1}, '0 is off', true],
    ['alternatives', 'Alternatives kept', {type: 'number', min: 0, max: 20, step: 1}, 'per token, for the glass view; 0 keeps none', true],
];
const OWN = {alternatives: 5};

let info = {defaults: {}, features: {}};
export const serverInfo = () => info;

export async function loadInfo() {
    info = await call('GET', 'glass/info');
    return info;
}

function field([name, label, attributes, help], values) {
    const standard = name in OWN ? OWN[name] : info.defaults[name];
    const value = values[name] === undefined ? '' : values[name];
    const id = 'set-' + name;
    const common = {id, name, 'aria-describedby': id + '-help', placeholder: standard === undefined || standard === null ? '' : String(standard)};
    const control = attributes.type ? h('input', {...attributes, ...common, value, autocomplete: 'off'}) : h('textarea', {...attributes, ...common, value});
    return h('div', {class: 'field'}, h('label', {for: id}, label), control,
        h('p', {class: 'note', id: id + '-help'}, help + (standard === undefined || standard === null ? '' : `; default ${standard}`)));
}

function valuesOf(form) {
    const out = {};
    for (const [name, , attributes] of [['system', '', {}], ...FIELDS]) {
        const control = form.elements[name], text = control.value.trim();
        if (text === '') continue;
        out[name] = attributes.type === 'number' ? Number(text) : control.value;
    }
    return out;
}

/* The panel of a conversation's settings; changed(values) takes them over. */
export function openSettings(conversation, changed) {
    const values = conversation.settings;
    const system = h('textarea', {id: 'set-system', name: 'system', rows: 5, value: values.system || '', 'aria-describedby': 'set-system-help'});
    const form = h('form', {class: 'settings', onsubmit: (event) => event.preventDefault(), onchange: () => {
        if (form.checkValidity()) changed(valuesOf(form));
        else form.reportValidity();
    }},
    h('div', {class: 'field'}, h('label', {for: 'set-system'}, 'System prompt'), system,
        h('p', {class: 'note', id: 'set-system-help'}, 'what the model is told before the conversation; empty: what its own template says')),
    FIELDS.filter((f) => !f[4]).map((f) => field(f, values)),
    h('details', {}, h('summary', {}, 'More'), FIELDS.filter((f) => f[4]).map((f) => field(f, values))),
    h('div', {class: 'buttons'},
        h('button', {type: 'button', onclick: () => { changed({}); openSettings({settings: {}}, changed); announce('All settings are the defaults now'); }}, 'Defaults'),
        h('button', {type: 'button', onclick: () => { remember('settings', valuesOf(form)); announce('New conversations begin with these settings'); }}, 'Use for new ones')));
    openPanel('Settings', h('p', {class: 'note'}, 'Of this conversation. Empty fields take the default.'), form);
    by('open-settings').setAttribute('aria-expanded', 'true');
    system.focus();
}

/* ---- preferences ---- */

export function applyTheme(theme) {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    try {
        if (theme) localStorage.setItem('glass.theme', theme);
        else localStorage.removeItem('glass.theme');
    } catch { /* then it lasts until the page is left */ }
}

const KEYS = [['Enter', 'send'], ['Shift+Enter', 'new line'], ['Esc', 'stop the answer, close what is open'], ['Ctrl+Shift+O', 'new conversation'],
    ['Ctrl+K', 'search'], ['Alt+G', 'glass view'], ['Alt+S', 'settings'], ['arrows', 'in the list, in menus, between tokens']];

export async function openPreferences() {
    const theme = document.documentElement.dataset.theme || '';
    const radio = (value, label) => h('label', {class: 'check'}, h('input', {type: 'radio', name: 'theme', value, checked: theme === value, onchange: () => applyTheme(value)}), label);
    let stats = null;
    try { stats = await call('GET', 'glass/feedback/stats'); } catch { /* told below */ }
    const take = h('button', {type: 'button', disabled: !stats || !stats.n_consented, onclick: async () => {
        const response = await request('GET', 'glass/feedback/export');
        save('preferences.jsonl', 'application/jsonl', await response.text());
    }}, 'Save preference data (JSONL)');
    await ask({title: 'Preferences', yes: 'Done', id: 'preferences', fields: [
        h('fieldset', {}, h('legend', {}, 'Colours'), radio('', 'as the system has them'), radio('light', 'light'), radio('dark', 'dark')),
        h('section', {}, h('h3', {}, 'Feedback'),
            h('p', {}, stats ? `${stats.n} given, ${stats.n_consented} with consent to publish.` : 'The server keeps no feedback.'), take),
        recall('key') ? h('p', {}, h('button', {type: 'button', onclick: (e) => { remember('key', null); e.target.disabled = true; }}, 'Forget the key')) : null,
        h('section', {}, h('h3', {}, 'Keyboard'), h('dl', {class: 'keys'}, KEYS.map(([k, what]) => [h('dt', {}, h('kbd', {}, k)), h('dd', {}, what)]).flat())),
        h('p', {class: 'note'}, `Glass ${info.version || ''}${info.arithmetic ? `, arithmetic ${info.arithmetic}` : ''}. Nothing on this page comes from elsewhere.`)]});
}
