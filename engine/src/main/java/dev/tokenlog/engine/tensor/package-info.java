/// Shapes, data types and views of numbers outside the heap. Uses nothing of ours.
package dev.tokenlog.engine.tensor;
