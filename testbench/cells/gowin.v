// Gowin: pins without registers; what is not driven reads 0.

module board_IBUF(input I, output O);
    assign O = I;
endmodule

module board_OBUF(input I, output O);
    assign O = I;
endmodule

module board_TBUF(input I, OEN, output O);
    assign O = I & !OEN;
endmodule
