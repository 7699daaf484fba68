package javax.annotation;

/** The annotation of generated code, which Java no longer contains since version 11. */
public @interface Generated {
  String[] value();

  String date() default "";

  String comments() default "";
}
