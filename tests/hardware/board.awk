# Turns the device tree of QEMU's `virt` machine into a door's: names for the eight lines of its GPIO controller, no power
# button on one of them, a bit-banged SPI bus with spidev on two, and one LED of the kernel's LED class.
#   0 and 1 buttons, 2 door contact, 3 relay, 4 tamper, 5 request to exit, 6 SPI clock, 7 SPI data
/^\tgpio-keys \{/ { skipping = 1 }
skipping { if ($0 ~ /^\t\};/) skipping = 0; next }
/^\tpl061@/ { in_gpio = 1 }
{ print }
in_gpio && /phandle = / {
    match($0, /0x[0-9a-f]+/)
    gpio = substr($0, RSTART, RLENGTH)
    print "\t\tgpio-line-names = \"BTN_1\", \"BTN_2\", \"DOOR_CONTACT\", \"RELAY\", \"TAMPER\", \"REX\", \"\", \"\";"
    in_gpio = 0
}
/^\tchosen \{/ { in_chosen = 1 }
in_chosen && /^\t\};/ {
    in_chosen = 0
    print "\tspi-ring {"
    print "\t\tcompatible = \"spi-gpio\"; #address-cells = <1>; #size-cells = <0>; num-chipselects = <0>;"
    print "\t\tsck-gpios = <" gpio " 6 0>; mosi-gpios = <" gpio " 7 0>;"
    print "\t\tring@0 { compatible = \"rohm,dh2228fv\"; reg = <0>; spi-max-frequency = <2400000>; };"
    print "\t};"
}
