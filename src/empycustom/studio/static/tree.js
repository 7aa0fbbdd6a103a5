/** The document of the shown frame as a tree. A place that the engineer of the panels fills. */
export function mount(element, store, connection) {}
