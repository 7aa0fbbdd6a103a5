/** Panels of libraries: state, options, problems. A place that the engineer of the panels fills. */
export function mount(element, store, connection) {}
