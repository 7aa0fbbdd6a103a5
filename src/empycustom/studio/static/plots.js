/** Values of documents over time. A place that the engineer of the panels fills. */
export function mount(element, store, connection) {}
