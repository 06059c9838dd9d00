/* dom.js - making elements without markup: text from models is only ever a text node. */

/* h('button', {class: 'x', onclick: f, 'aria-label': 't'}, child, 'text', …) */
export function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
        if (value === undefined || value === null) continue;
        if (name.startsWith('aria-')) element.setAttribute(name, String(value));
        else if (value === false) continue;
        else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
        else if (name === 'value') element.value = value;
        else element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children.flat().filter((c) => c !== null && c !== undefined));
    return element;
}

export const by = (id) => document.getElementById(id);

/* For screen readers, once. */
export function announce(text) {
    const live = by('live');
    live.textContent = '';
    requestAnimationFrame(() => { live.textContent = text; });
}

export function remember(key, value) {
    try {
        if (value === null) localStorage.removeItem('glass.' + key);
        else localStorage.setItem('glass.' + key, JSON.stringify(value));
        return true;
    } catch { return false; }
}

export function recall(key, otherwise = null) {
    try {
        const text = localStorage.getItem('glass.' + key);
        return text === null ? otherwise : JSON.parse(text);
    } catch { return otherwise; }
}

/* 128 random bits. crypto.randomUUID is missing where a page comes by plain HTTP from
 * another host. */
export function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/* A dialog that gives its form's values, or null when it was left. fields: elements. */
export function ask({title, fields = [], yes = 'OK', danger = false, id}) {
    return new Promise((resolve) => {
        const heading = h('h2', {id: 'dialog-title'}, title);
        const form = h('form', {method: 'dialog'}, h('div', {class: 'scroll'}, heading, ...fields),
            h('div', {class: 'buttons'},
                h('button', {type: 'button', onclick: () => dialog.close('')}, 'Cancel'),
                h('button', {class: danger ? 'danger' : 'primary', value: 'yes'}, yes)));
        const dialog = h('dialog', {'aria-labelledby': 'dialog-title', id}, form);
        const before = document.activeElement;
        dialog.addEventListener('close', () => {
            const values = Object.fromEntries(new FormData(form));
            dialog.remove();
            if (before && before.isConnected) before.focus();
            resolve(dialog.returnValue === 'yes' ? values : null);
        });
        document.body.append(dialog);
        dialog.showModal();
    });
}

/* A menu below a button: items are [label, action]. Arrows move, Escape leaves. */
export function menu(button, items) {
    const close = (back) => {
        list.remove();
        button.setAttribute('aria-expanded', 'false');
        document.removeEventListener('pointerdown', outside, true);
        if (back) button.focus();
    };
    const outside = (event) => { if (!list.contains(event.target)) close(false); };
    const list = h('div', {role: 'menu', class: 'menu', 'aria-label': button.getAttribute('aria-label')},
        items.map(([label, action]) => h('button', {
            type: 'button', role: 'menuitem', tabindex: '-1',
            onclick: () => { close(true); action(); },
        }, label)));
    list.addEventListener('keydown', (event) => {
        const all = [...list.children], at = all.indexOf(document.activeElement);
        const to = {ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1}[event.key];
        if (to !== undefined) all[to % all.length].focus();
        else if (event.key === 'Escape' || event.key === 'Tab') close(true);
        else return;
        event.preventDefault();
        event.stopPropagation();
    });
    (button.closest('nav, main, aside') || document.body).append(list);
    const at = button.getBoundingClientRect();
    list.style.top = Math.min(at.bottom, innerHeight - list.offsetHeight - 8) + 'px';
    list.style.left = Math.max(8, Math.min(at.left, innerWidth - list.offsetWidth - 8)) + 'px';
    button.setAttribute('aria-expanded', 'true');
    document.addEventListener('pointerdown', outside, true);
    list.firstChild.focus();
}

/* A file to keep, from text that is here. */
export function save(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], {type}));
    const link = h('a', {href: url, download: name});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export async function copy(text, button) {
    const was = button.textContent;
    try {
        await navigator.clipboard.writeText(text);
    } catch { /* not a secure context, or forbidden: the old way */
        const area = h('textarea', {class: 'sr', value: text});
        (button.closest('dialog') || document.body).append(area);
        area.select();
        document.execCommand('copy');
        area.remove();
        button.focus();
    }
    button.textContent = 'Copied';
    announce('Copied');
    setTimeout(() => { button.textContent = was; }, 1500);
}
