// area.c
struct point { double x, y; };

__attribute__((export_name("area")))
double area(const struct point *corners, unsigned count) {
    double twice = 0;
    for (unsigned i = 0; i < count; i++) {
        struct point a = corners[i], b = corners[(i + 1) % count];
        twice += a.x * b.y - b.x * a.y;
    }
    return twice / 2;
}
