/// Codes that are found with the help of a text: what the inputs of each matrix are, captured from
/// the model itself, layer by layer, the layers before already quantized.
package dev.tokenlog.engine.calibrate;
