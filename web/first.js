/* first.js - runs before the first paint, so that a chosen theme does not flash, and has the
 * rest loaded right after it. */
(function () {
    try {
        var theme = localStorage.getItem('glass.theme');
        if (theme) document.documentElement.dataset.theme = theme;
    } catch (e) { /* storage is forbidden: the system's colours will do */ }

    /* All at once: a module would ask for its own imports only when it has come. */
    var modules = ['dom', 'api', 'markdown', 'conversation', 'answer', 'list', 'messages', 'settings', 'tokens', 'feedback', 'inside'];

    function load() {
        modules.forEach(function (name) {
            var link = document.createElement('link');
            link.rel = 'modulepreload';
            link.href = 'web/' + name + '.js';
            document.head.append(link);
        });
        var script = document.createElement('script');
        script.type = 'module';
        script.src = 'web/app.js';
        document.head.append(script);
    }

    /* A tab in the background paints nothing, and is loaded all the same. */
    addEventListener('DOMContentLoaded', function () {
        if (document.hidden) load();
        else requestAnimationFrame(function () { setTimeout(load); });
    });
}());
