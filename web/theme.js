/* Runs before the first paint, so that a chosen theme does not flash. */
(function () {
    try {
        var theme = localStorage.getItem('glass.theme');
        if (theme) document.documentElement.dataset.theme = theme;
    } catch (e) { /* storage is forbidden: the system's colours will do */ }
})();
