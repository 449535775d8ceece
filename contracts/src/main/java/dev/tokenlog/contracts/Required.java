package dev.tokenlog.contracts;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/// A field without which an event is refused as [ErrorCode#INVALID_SHAPE]. Primitive components are
/// required by nature. A field that is added to a released type is never required.
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Required {}
